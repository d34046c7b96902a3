package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"minigroups/minigroup"
)

// stateTimeout bounds how long /readyz waits for the states of Temporal and the broker.
const stateTimeout = time.Second

// healthz handles GET /healthz.
func healthz(c *gin.Context) error {
	return reply(c, http.StatusOK, healthObject{Status: "alive"})
}

// readyz handles GET /readyz. It replies 200 if reads work and the process is not shutting down. The states of
// Temporal, the worker and the broker are reported and do not change the status, because reads work without them.
func (s *server) readyz(c *gin.Context) error {
	select {
	case <-s.Draining:
		return minigroup.Errorf(minigroup.ServiceUnavailable, "the process is shutting down")
	default:
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), databaseTimeout)
	defer cancel()
	if err := s.Ready(ctx); err != nil {
		s.log(c).Warn("not ready", zap.Error(err))
		return minigroup.Errorf(minigroup.ServiceUnavailable,
			"the database is unavailable or read-only, or does not have the expected schema")
	}
	ctx, cancel = context.WithTimeout(c.Request.Context(), stateTimeout)
	defer cancel()
	temporal := make(chan string, 1)
	go func() { temporal <- s.TemporalState(ctx) }()
	broker := s.BrokerState(ctx)
	state := healthObject{Status: "ready", Temporal: <-temporal, Broker: broker}
	if s.WorkerState != nil {
		state.Worker = s.WorkerState()
	}
	return reply(c, http.StatusOK, state)
}
