package activities

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"minigroups/minigroup"
)

func TestInFlight(t *testing.T) {
	t.Parallel()
	t.Run("a second caller joins the request in flight", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, deadline)
		room, reply, sent := uuid.New(), make(chan struct{}), make(chan struct{}, 2)
		send := func(context.Context) (uuid.UUID, error) {
			sent <- struct{}{}
			<-reply
			return room, nil
		}
		first, second := startOrJoin(f, id, send), startOrJoin(f, id, send)
		if first == nil || first != second {
			t.Fatalf("got %p and %p", first, second)
		}
		if n := f.Count(); n != 1 {
			t.Errorf("%d requests are in flight", n)
		}
		close(reply)
		if done(t, first); first.room != room || first.err != nil {
			t.Errorf("got %s, %v", first.room, first.err)
		}
		stop(t, f)
		if len(sent) != 1 || l.answered[id] != room {
			t.Errorf("%d requests, the ledger has %v", len(sent), l.answered)
		}
	})
	t.Run("an attempt of another process, or with a recorded outcome, is not sent", func(t *testing.T) {
		t.Parallel()
		_, f, id := registered(t, deadline)
		send := func(context.Context) (uuid.UUID, error) { return uuid.New(), nil }
		if r := startOrJoin(f, uuid.New(), send); r != nil {
			t.Error("an unknown attempt was sent")
		}
		done(t, startOrJoin(f, id, send))
		if r := startOrJoin(f, id, send); r != nil {
			t.Error("an attempt was sent twice")
		}
		stop(t, f)
	})
	t.Run("a request ends at its deadline, after the step that sent it", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, 100*time.Millisecond)
		r := startOrJoin(f, id, func(ctx context.Context) (uuid.UUID, error) {
			<-ctx.Done()
			return uuid.Nil, &minigroup.UpstreamError{MaybeDone: true, Err: context.Cause(ctx)}
		})
		if done(t, r); !errors.Is(r.err, context.DeadlineExceeded) {
			t.Errorf("got %v", r.err)
		}
		if call := l.next(t); call != "lost" {
			t.Errorf("the ledger was called with %q", call)
		}
		stop(t, f)
		l.none(t)
	})
	t.Run("after an unknown error the attempt is lost, because a room may exist", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, 500*time.Millisecond)
		done(t, startOrJoin(f, id, func(context.Context) (uuid.UUID, error) {
			return uuid.Nil, errors.New("an unknown error")
		}))
		if call := l.next(t); call != "lost" {
			t.Errorf("the ledger was called with %q", call)
		}
		stop(t, f)
	})
	t.Run("a request that has created no room is recorded as refused", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, deadline)
		r := done(t, startOrJoin(f, id, func(context.Context) (uuid.UUID, error) {
			return uuid.Nil, &minigroup.UpstreamError{Upstream: "event", Refused: true}
		}))
		if call := l.next(t); call != "refused" || r.err == nil {
			t.Errorf("the ledger was called with %q, the step got %v", call, r.err)
		}
		stop(t, f)
		l.none(t)
	})
	t.Run("a room that is marked for closing is closed and not returned to a step", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, deadline)
		l.unwanted = true
		room := uuid.New()
		r := done(t, startOrJoin(f, id, func(context.Context) (uuid.UUID, error) { return room, nil }))
		if r.err == nil {
			t.Error("a step received the room")
		}
		if a, c := l.next(t), l.next(t); a != "answered" || c != "close event "+room.String() {
			t.Errorf("got %q, then %q", a, c)
		}
		stop(t, f)
	})
	t.Run("a reply with the room of another attempt ends the request, and the room is not closed", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, deadline)
		l.reused = true
		r := done(t, startOrJoin(f, id, func(context.Context) (uuid.UUID, error) { return uuid.New(), nil }))
		var upstream *minigroup.UpstreamError
		if !errors.As(r.err, &upstream) || upstream.Refused || upstream.MaybeDone {
			t.Errorf("the step got %v", r.err)
		}
		if call := l.next(t); call != "answered" {
			t.Errorf("the ledger was called with %q", call)
		}
		stop(t, f)
		l.none(t)
	})
	t.Run("an answer is recorded when the ledger is available again", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, deadline)
		l.failures = 3
		room := uuid.New()
		r := done(t, startOrJoin(f, id, func(context.Context) (uuid.UUID, error) { return room, nil }))
		stop(t, f)
		if r.err != nil || l.answered[id] != room {
			t.Errorf("got %v, the ledger has %v", r.err, l.answered)
		}
	})
	t.Run("a request that is not sent by its deadline is refused and not sent later", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, 10*time.Millisecond)
		if call := l.next(t); call != "refused" {
			t.Errorf("the ledger was called with %q", call)
		}
		if r := startOrJoin(f, id, func(context.Context) (uuid.UUID, error) { return uuid.New(), nil }); r != nil {
			t.Error("it was sent after its deadline")
		}
		stop(t, f)
		l.none(t)
	})
}

func TestAReplyThatArrivedWhileTheProcessWasFrozenIsRead(t *testing.T) {
	l := newFakeLedger()
	f := NewInFlight(l, l, zap.NewNop())
	defer stop(t, f)
	id, room := uuid.New(), uuid.New()
	r := new(eventRequest(id, -time.Minute))
	r.done = make(chan struct{})
	f.wg.Go(func() {
		f.run(r, func(ctx context.Context) (uuid.UUID, error) { return room, ctx.Err() })
	})
	if done(t, r); r.err != nil || l.next(t) != "answered" || l.answered[id] != room {
		t.Errorf("got %v, %v", r.err, l.answered)
	}
}
