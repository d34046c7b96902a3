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

// deadline is how long tests wait for something that must happen.
const deadline = 20 * time.Second

// fakeLedger records the outcomes of requests, and which runs are started to close rooms.
type fakeLedger struct {
	mu       sync.Mutex
	failures int  // the number of the next calls that fail
	unwanted bool // answered attempts are marked for closing
	reused   bool // answered attempts have the room of another one
	answered map[uuid.UUID]uuid.UUID
	refused  map[uuid.UUID]bool
	calls    chan string
}

func newFakeLedger() *fakeLedger {
	return &fakeLedger{
		answered: map[uuid.UUID]uuid.UUID{}, refused: map[uuid.UUID]bool{}, calls: make(chan string, 100),
	}
}

func (l *fakeLedger) fail() error {
	if l.failures > 0 {
		l.failures--
		return errors.New("the ledger is unavailable")
	}
	return nil
}

func (l *fakeLedger) AnswerAttempt(
	_ context.Context, id, room uuid.UUID, _ minigroup.RunningCreate,
) (minigroup.AttemptState, *minigroup.Minigroup, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fail(); err != nil {
		return "", nil, err
	}
	l.answered[id] = room
	l.calls <- "answered"
	switch {
	case l.unwanted:
		return minigroup.AttemptReleasing, nil, nil
	case l.reused:
		return minigroup.AttemptRefused, nil, nil
	}
	return minigroup.AttemptHeld, nil, nil
}

func (l *fakeLedger) RefuseAttempt(_ context.Context, id uuid.UUID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fail(); err != nil {
		return err
	}
	l.refused[id] = true
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

// registered returns a ledger, an InFlight and the attempt of a request registered there with this timeout.
func registered(t *testing.T, timeout time.Duration) (*fakeLedger, *InFlight, uuid.UUID) {
	t.Helper()
	l := newFakeLedger()
	f := NewInFlight(l, l, zap.NewNop())
	id := uuid.New()
	f.register(eventRequest(id, timeout))
	return l, f, id
}

func eventRequest(attempt uuid.UUID, timeout time.Duration) request {
	return request{attempt: attempt, classID: uuid.New(), kind: minigroup.EventRoom, deadline: time.Now().Add(timeout)}
}

// startOrJoin sends the request of an attempt, unless it is sent, and returns it; nil if f does not have it.
func startOrJoin(f *InFlight, attempt uuid.UUID, send func(context.Context) (uuid.UUID, error)) *request {
	r, sent := f.find(attempt)
	if r != nil && !sent && !f.start(r, send, func() {}) {
		return nil
	}
	return r
}

// stop stops f and fails the test if that does not end.
func stop(t *testing.T, f *InFlight) {
	t.Helper()
	stopIn(t, f, deadline)
}

// stopIn stops f with a context that ends after timeout.
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

// done waits until the outcome of a request is recorded, and returns the request.
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
