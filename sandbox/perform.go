package sandbox

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// perform applies the fault, if there is one, and does the work, in which the request holds a database connection.
// Before it takes one, check may refuse the request. Like the real services, perform stops at any point when the client
// hangs up. It publishes the room events last, right before the reply.
func (s *service[R]) perform(
	c *call, operation Operation, classroom uuid.UUID, check func() *reply, work func() reply,
) reply {
	fault, removed := s.faults.take(operation, func(id uuid.UUID) bool { return id == classroom })
	if c.creation != nil {
		c.creation.Fault = fault.Do
	}
	switch fault.Do {
	case EffectRefuse:
		return s.refuse(fault)
	case EffectFail:
		return fail(fault)
	}
	if refusal := check(); refusal != nil {
		return *refusal
	}
	if fault.Do == EffectHang {
		work = func() reply { return hang(c.Context(), removed) }
	}
	answer := s.withConnections(c, s.pausesOf(c, fault), work)
	if answer.dropped {
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

// unchecked is the check of requests that are not checked before the work.
func unchecked() *reply { return nil }

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

func hang(ctx context.Context, removed <-chan struct{}) reply {
	select {
	case <-ctx.Done():
		return dropped
	case <-removed:
		return text(http.StatusServiceUnavailable, "Held by a fault of the sandbox")
	}
}
