package activities

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestStop(t *testing.T) {
	t.Parallel()
	t.Run("it waits until the answer of a request in flight is recorded", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, deadline)
		l.failures = 2
		room := uuid.New()
		startOrJoin(f, id, func(context.Context) (uuid.UUID, error) {
			<-f.stopped // Stop waits for this request
			return room, nil
		})
		stop(t, f)
		if l.answered[id] != room {
			t.Errorf("the ledger has %v", l.answered)
		}
	})
	t.Run("a request that is not sent is refused, and none is sent later", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, time.Hour)
		stop(t, f)
		if call := l.next(t); call != "refused" {
			t.Errorf("the ledger was called with %q", call)
		}
		send := func(context.Context) (uuid.UUID, error) { return uuid.New(), nil }
		after := uuid.New()
		f.register(eventRequest(after, time.Hour))
		if startOrJoin(f, id, send) != nil || startOrJoin(f, after, send) != nil {
			t.Error("a request was sent after Stop")
		}
		l.none(t)
	})
	t.Run("it cancels the requests in flight when its context ends", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, time.Hour)
		r := startOrJoin(f, id, func(ctx context.Context) (uuid.UUID, error) {
			<-ctx.Done()
			return uuid.Nil, &minigroup.UpstreamError{MaybeDone: true, Err: ctx.Err()}
		})
		stopIn(t, f, 50*time.Millisecond)
		if done(t, r); !errors.Is(r.err, context.Canceled) {
			t.Errorf("got %v", r.err)
		}
		l.none(t)
	})
	t.Run("it stops waiting for an unavailable ledger when its context ends", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, time.Hour)
		l.failures = 1 << 30
		startOrJoin(f, id, func(context.Context) (uuid.UUID, error) { return uuid.New(), nil })
		stopIn(t, f, 50*time.Millisecond)
		l.none(t)
	})
}
