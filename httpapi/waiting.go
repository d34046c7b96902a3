package httpapi

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"minigroups/minigroup"
)

// waitingTimeout bounds the question what a class waits for, because the history itself is read without Temporal.
const waitingTimeout = time.Second

// waitObject is a step that is tried again, or the worker or the sweeper that continues an operation.
type waitObject struct {
	For        string `json:"for"`
	Step       string `json:"step,omitempty"`
	State      string `json:"state"`
	Since      *int64 `json:"since,omitempty"`
	NextTry    *int64 `json:"next_try,omitempty"`
	Attempts   int    `json:"attempts"`
	LastAnswer string `json:"last_answer,omitempty"`
}

// waitingFor returns what a class waits for, or why that is unknown.
func (s *server) waitingFor(c *gin.Context, m minigroup.Minigroup) (waiting *[]waitObject, unknown string) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), waitingTimeout)
	defer cancel()
	waits, err := s.WaitingFor(ctx, m)
	if err != nil {
		s.log(c).Warn("what a class waits for is unknown", zap.Error(err))
		return nil, "Temporal did not answer within a second"
	}
	objects := []waitObject{}
	for _, w := range waits {
		objects = append(objects, waitObject{
			For: w.For, Step: w.Step, State: w.State, Since: toUnix(w.Since), NextTry: toUnix(w.NextTry),
			Attempts: w.Attempts, LastAnswer: w.LastAnswer,
		})
	}
	return &objects, ""
}

// toUnix returns nil for the zero time.
func toUnix(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	return new(t.Unix())
}
