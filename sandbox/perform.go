package sandbox

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// perform applies the fault, if there is one, and does the work. Like the real services, it stops at any point when the
// client hangs up. It publishes the room events last, right before the reply.
func (s *service[R]) perform(c *call, operation Operation, classroom uuid.UUID, work func() reply) reply {
	fault, replaced := s.faults.take(operation, func(id uuid.UUID) bool { return id == classroom })
	if c.creation != nil {
		c.creation.Fault = fault.Do
	}
	before, after := pauses(operation)
	switch fault.Do {
	case EffectRefuse:
		return s.refuse(fault)
	case EffectFail:
		return fail(fault)
	case EffectHang:
		return hang(c.Context(), replaced)
	case EffectLate:
		delay := time.Duration(fault.DelayMS) * time.Millisecond
		before, after = delay/2, delay-delay/2
	}
	if !wait(c.Context(), before) {
		return dropped
	}
	answer := work()
	if !wait(c.Context(), after) {
		return dropped
	}
	published := s.publish(answer.events, c.began)
	if c.creation != nil {
		c.creation.Published = published
	}
	if fault.Do == EffectLoseReply {
		return dropped
	}
	return answer
}

// pauses puts the work of a create at a random point of a millisecond, so that a client that hangs up within it does so
// sometimes before and sometimes after the work.
func pauses(operation Operation) (before, after time.Duration) {
	if operation != OperationCreate {
		return 0, 0
	}
	before = rand.N(time.Millisecond) //nolint:gosec // no secret
	return before, time.Millisecond - before
}

// wait waits for the pause and returns false if the context has ended.
func wait(ctx context.Context, pause time.Duration) bool {
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

func (s *service[R]) refuse(fault Fault) reply {
	typ := fault.Type
	if typ == "" {
		typ = s.refusalType
	}
	status := fault.Status
	if status == 0 {
		status = statusOfType(typ)
	}
	answer := problem(s.contentType, status, typ, "Refused by a fault of the sandbox")
	answer.retryAfter = fault.RetryAfter
	return answer
}

func fail(fault Fault) reply {
	status := fault.Status
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	answer := text(status, "Failed by a fault of the sandbox")
	answer.retryAfter = fault.RetryAfter
	return answer
}

func hang(ctx context.Context, replaced <-chan struct{}) reply {
	select {
	case <-ctx.Done():
		return dropped
	case <-replaced:
		return text(http.StatusServiceUnavailable, "Held by a fault of the sandbox")
	}
}
