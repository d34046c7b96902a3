package activities

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"minigroups/minigroup"
)

// deadline is how long a test waits for what must come.
const deadline = 20 * time.Second

// fakeLedger records what it is told of requests, and which runs are started to close rooms.
type fakeLedger struct {
	mu       sync.Mutex
	failures int // the next calls that fail
	unwanted bool
	answered map[uuid.UUID]uuid.UUID
	calls    chan string
}

func newFakeLedger() *fakeLedger {
	return &fakeLedger{answered: map[uuid.UUID]uuid.UUID{}, calls: make(chan string, 100)}
}

func (l *fakeLedger) fail() error {
	if l.failures > 0 {
		l.failures--
		return errors.New("the ledger is unavailable")
	}
	return nil
}

func (l *fakeLedger) AnswerAttempt(_ context.Context, id, room uuid.UUID) (minigroup.AttemptState, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fail(); err != nil {
		return "", err
	}
	l.answered[id] = room
	l.calls <- "answered"
	if l.unwanted {
		return minigroup.AttemptReleasing, nil
	}
	return minigroup.AttemptHeld, nil
}

func (l *fakeLedger) RefuseAttempt(context.Context, uuid.UUID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fail(); err != nil {
		return err
	}
	l.calls <- "refused"
	return nil
}

func (l *fakeLedger) AttemptLost(context.Context, uuid.UUID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fail(); err != nil {
		return err
	}
	l.calls <- "lost"
	return nil
}

func (l *fakeLedger) CloseRoom(_ context.Context, room minigroup.RoomPendingClose) error {
	l.calls <- "close " + string(room.Kind) + " " + room.ID.String()
	return nil
}

// next returns the next call.
func (l *fakeLedger) next(t *testing.T) string {
	t.Helper()
	select {
	case call := <-l.calls:
		return call
	case <-time.After(deadline):
		t.Fatal("the ledger was not called")
		return ""
	}
}

// none checks that there are no more calls.
func (l *fakeLedger) none(t *testing.T) {
	t.Helper()
	if len(l.calls) > 0 {
		t.Errorf("the ledger was also called with %q", <-l.calls)
	}
}

// registered returns a ledger, in-flight requests and the attempt of one registered request with this timeout.
func registered(t *testing.T, timeout time.Duration) (*fakeLedger, *InFlight, uuid.UUID) {
	t.Helper()
	l := newFakeLedger()
	f := NewInFlight(l, l, 0, zap.NewNop())
	id := uuid.New()
	f.register(eventRequest(id, timeout))
	return l, f, id
}

func eventRequest(attempt uuid.UUID, timeout time.Duration) request {
	return request{attempt: attempt, classID: uuid.New(), kind: minigroup.EventRoom, deadline: time.Now().Add(timeout)}
}

// stop stops the requests and fails the test if that does not end.
func stop(t *testing.T, f *InFlight) {
	t.Helper()
	stopIn(t, f, deadline)
}

func stopIn(t *testing.T, f *InFlight, timeout time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		f.Stop(ctx)
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(deadline):
		t.Fatal("Stop did not return")
	}
}

// done waits until the answer of a request is recorded.
func done(t *testing.T, r *request) *request {
	t.Helper()
	if r == nil {
		t.Fatal("the request was not sent")
	}
	select {
	case <-r.done:
		return r
	case <-time.After(deadline):
		t.Fatal("the request did not end")
		return nil
	}
}

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
		first, second := f.startOrJoin(id, send), f.startOrJoin(id, send)
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
	t.Run("an attempt that this process has not written, or whose answer is recorded, is not sent", func(t *testing.T) {
		t.Parallel()
		_, f, id := registered(t, deadline)
		send := func(context.Context) (uuid.UUID, error) { return uuid.New(), nil }
		if r := f.startOrJoin(uuid.New(), send); r != nil {
			t.Error("an unknown attempt was sent")
		}
		done(t, f.startOrJoin(id, send))
		if r := f.startOrJoin(id, send); r != nil {
			t.Error("an attempt was sent twice")
		}
		stop(t, f)
	})
	t.Run("a request does not end with the step that sent it, but at its deadline", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, 100*time.Millisecond)
		r := f.startOrJoin(id, func(ctx context.Context) (uuid.UUID, error) {
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
	t.Run("after an error of unknown kind a room may exist", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, 500*time.Millisecond)
		done(t, f.startOrJoin(id, func(context.Context) (uuid.UUID, error) { return uuid.Nil, errors.New("what is this") }))
		if call := l.next(t); call != "lost" {
			t.Errorf("the ledger was called with %q", call)
		}
		stop(t, f)
	})
	t.Run("a request that made no room is recorded as refused", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, deadline)
		r := done(t, f.startOrJoin(id, func(context.Context) (uuid.UUID, error) {
			return uuid.Nil, &minigroup.UpstreamError{Upstream: "event", Refused: true}
		}))
		if call := l.next(t); call != "refused" || r.err == nil {
			t.Errorf("the ledger was called with %q, the step got %v", call, r.err)
		}
		stop(t, f)
		l.none(t)
	})
	t.Run("a room that is no longer wanted is closed and not returned to a step", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, deadline)
		l.unwanted = true
		room := uuid.New()
		r := done(t, f.startOrJoin(id, func(context.Context) (uuid.UUID, error) { return room, nil }))
		if r.err == nil {
			t.Error("a step was given the room")
		}
		if a, c := l.next(t), l.next(t); a != "answered" || c != "close event "+room.String() {
			t.Errorf("got %q, then %q", a, c)
		}
		stop(t, f)
	})
	t.Run("an answer waits for an unavailable ledger", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, deadline)
		l.failures = 3
		room := uuid.New()
		r := done(t, f.startOrJoin(id, func(context.Context) (uuid.UUID, error) { return room, nil }))
		stop(t, f)
		if r.err != nil || l.answered[id] != room {
			t.Errorf("got %v, the ledger has %v", r.err, l.answered)
		}
	})
	t.Run("a request that is not sent by its deadline is recorded as refused, and not sent afterwards", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, 10*time.Millisecond)
		if call := l.next(t); call != "refused" {
			t.Errorf("the ledger was called with %q", call)
		}
		if r := f.startOrJoin(id, func(context.Context) (uuid.UUID, error) { return uuid.New(), nil }); r != nil {
			t.Error("it was sent after its deadline")
		}
		stop(t, f)
		l.none(t)
	})
}

func TestRequestsOfOneAudienceTakeHalfOfTheCapacity(t *testing.T) {
	t.Parallel()
	l := newFakeLedger()
	f := NewInFlight(l, l, 4, zap.NewNop())
	reply := make(chan struct{})
	send := func(kind minigroup.RoomKind, audience string) *request {
		id := uuid.New()
		f.register(request{attempt: id, audience: audience, classID: uuid.New(), kind: kind, deadline: time.Now().Add(deadline)})
		return f.startOrJoin(id, func(context.Context) (uuid.UUID, error) {
			<-reply
			return uuid.New(), nil
		})
	}
	refused := func(kind minigroup.RoomKind, audience string) {
		t.Helper()
		var upstream *minigroup.UpstreamError
		if r := done(t, send(kind, audience)); !errors.As(r.err, &upstream) || upstream.MaybeDone || upstream.Refused {
			t.Errorf("got %v", r.err)
		}
		if call := l.next(t); call != "refused" || !f.isFull(kind, audience) {
			t.Errorf("the ledger was called with %q", call)
		}
	}
	sent := []*request{send(minigroup.EventRoom, "one"), send(minigroup.EventRoom, "one")}
	refused(minigroup.EventRoom, "one")
	sent = append(sent, send(minigroup.ConferenceRoom, "one"), send(minigroup.EventRoom, "two"), send(minigroup.EventRoom, "two"))
	refused(minigroup.EventRoom, "three")
	if n := f.Count(); n != len(sent) {
		t.Errorf("%d are in flight", n)
	}
	close(reply)
	for _, r := range sent {
		if done(t, r).err != nil {
			t.Error(r.err)
		}
	}
	if r := done(t, send(minigroup.EventRoom, "one")); r.err != nil {
		t.Errorf("when all are answered: %v", r.err)
	}
	stop(t, f)
}

func TestStop(t *testing.T) {
	t.Parallel()
	t.Run("it waits for the answer of a request in flight and until the ledger has recorded it", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, deadline)
		l.failures = 2
		room := uuid.New()
		f.startOrJoin(id, func(context.Context) (uuid.UUID, error) {
			<-f.stopped // by then it is being waited for
			return room, nil
		})
		stop(t, f)
		if l.answered[id] != room {
			t.Errorf("the ledger has %v", l.answered)
		}
	})
	t.Run("what is not sent is recorded as refused, and nothing is sent afterwards", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, time.Hour)
		stop(t, f)
		if call := l.next(t); call != "refused" {
			t.Errorf("the ledger was called with %q", call)
		}
		send := func(context.Context) (uuid.UUID, error) { return uuid.New(), nil }
		after := uuid.New()
		f.register(eventRequest(after, time.Hour))
		if f.startOrJoin(id, send) != nil || f.startOrJoin(after, send) != nil {
			t.Error("a request was sent after Stop")
		}
		l.none(t)
	})
	t.Run("it hangs up when its context ends", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, time.Hour)
		r := f.startOrJoin(id, func(ctx context.Context) (uuid.UUID, error) {
			<-ctx.Done()
			return uuid.Nil, &minigroup.UpstreamError{MaybeDone: true, Err: ctx.Err()}
		})
		stopIn(t, f, 50*time.Millisecond)
		if done(t, r); !errors.Is(r.err, context.Canceled) {
			t.Errorf("got %v", r.err)
		}
		l.none(t)
	})
	t.Run("it does not wait for a ledger that stays unavailable", func(t *testing.T) {
		t.Parallel()
		l, f, id := registered(t, time.Hour)
		l.failures = 1 << 30
		f.startOrJoin(id, func(context.Context) (uuid.UUID, error) { return uuid.New(), nil })
		stopIn(t, f, 50*time.Millisecond)
		l.none(t)
	})
}

func TestAReplyThatWaitedForAFrozenProcessIsRead(t *testing.T) {
	l := newFakeLedger()
	f := NewInFlight(l, l, 0, zap.NewNop())
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
