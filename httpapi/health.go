package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"minigroups/minigroup"
)

// stateWait bounds the look at Temporal and the broker: it only informs, and must not make a ready process seem hung.
const stateWait = time.Second

// healthz answers as long as the process can answer at all.
func healthz(c *gin.Context) error {
	return reply(c, http.StatusOK, healthObject{Status: "alive"})
}

// readyz answers 200 if reads work and the process is not about to end. Temporal and the broker are told about, but without them reads still work.
func (s *server) readyz(c *gin.Context) error {
	select {
	case <-s.Draining:
		return minigroup.Errorf(minigroup.ServiceUnavailable, "the process is ending")
	default:
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), databaseWait)
	defer cancel()
	if err := s.Ready(ctx); err != nil {
		s.log(c).Warn("not ready", zap.Error(err))
		return minigroup.Errorf(minigroup.ServiceUnavailable, "the database is out of reach or its schema is not the one expected")
	}
	ctx, cancel = context.WithTimeout(c.Request.Context(), stateWait)
	defer cancel()
	states := make(chan string, 1)
	go func() { states <- s.TemporalState(ctx) }()
	broker := s.BrokerState(ctx)
	return reply(c, http.StatusOK, healthObject{Status: "ready", Temporal: <-states, Broker: broker})
}
