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

// book is a ledger that writes down what flights tell it, and the runs that they start.
type book struct {
	Ledger
	mu       sync.Mutex
	away     int // so many calls fail
	unwanted bool
	answered map[uuid.UUID]uuid.UUID
	lines    chan string
}

func newBook() *book {
	return &book{answered: map[uuid.UUID]uuid.UUID{}, lines: make(chan string, 100)}
}

func (b *book) reachable() error {
	if b.away > 0 {
		b.away--
		return errors.New("the ledger is away")
	}
	return nil
}

func (b *book) AnswerAttempt(_ context.Context, id, room uuid.UUID) (minigroup.AttemptState, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.reachable(); err != nil {
		return "", err
	}
	b.answered[id] = room
	b.lines <- "answered"
	if b.unwanted {
		return minigroup.AttemptReleasing, nil
	}
	return minigroup.AttemptHeld, nil
}

func (b *book) RefuseAttempt(context.Context, uuid.UUID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.reachable(); err != nil {
		return err
	}
	b.lines <- "refused"
	return nil
}

func (b *book) ExpireAttempt(context.Context, uuid.UUID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.reachable(); err != nil {
		return err
	}
	b.lines <- "lost"
	return nil
}

func (b *book) IsCurrent(context.Context, string, string) (bool, error) { return true, nil }

func (b *book) Decided(uuid.UUID) {}

func (b *book) Established(minigroup.Minigroup) {}

func (b *book) CloseRoom(_ context.Context, room minigroup.RoomPendingClose) error {
	b.lines <- "close " + string(room.Kind) + " " + room.ID.String()
	return nil
}

// next is the next line of the book.
func (b *book) next(t *testing.T) string {
	t.Helper()
	select {
	case line := <-b.lines:
		return line
	case <-time.After(deadline):
		t.Fatal("the ledger was told nothing")
		return ""
	}
}

// none checks that the book has no more lines.
func (b *book) none(t *testing.T) {
	t.Helper()
	if len(b.lines) > 0 {
		t.Errorf("the ledger was told %q too", <-b.lines)
	}
}

func takeOff(t *testing.T, moment time.Duration) (*book, *InFlight, uuid.UUID) {
	t.Helper()
	b := newBook()
	f := NewInFlight(b, b, 0, zap.NewNop())
	id := uuid.New()
	f.expect(id, boarding{classID: classOne, kind: minigroup.EventRoom, deadline: time.Now().Add(moment)})
	return b, f, id
}

var classOne = uuid.New()

// stop stops the flights and fails where that takes for ever.
func stop(t *testing.T, f *InFlight) {
	t.Helper()
	stopIn(t, f, deadline)
}

func stopIn(t *testing.T, f *InFlight, patience time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
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

// landed waits for a flight.
func landed(t *testing.T, fl *flight) *flight {
	t.Helper()
	select {
	case <-fl.done:
		return fl
	case <-time.After(deadline):
		t.Fatal("the flight did not land")
		return nil
	}
}

func TestFlights(t *testing.T) {
	t.Parallel()
	t.Run("whoever comes while a request is in flight joins it", func(t *testing.T) {
		t.Parallel()
		b, f, id := takeOff(t, deadline)
		room, reply, sent := uuid.New(), make(chan struct{}), make(chan struct{}, 2)
		send := func(context.Context) (uuid.UUID, error) {
			sent <- struct{}{}
			<-reply
			return room, nil
		}
		first, second := f.board(id, send), f.board(id, send)
		if first == nil || first != second {
			t.Fatalf("got %p and %p", first, second)
		}
		if ids := f.of(classOne, minigroup.EventRoom); len(ids) != 1 || ids[0] != id {
			t.Errorf("in flight: %v", ids)
		}
		if ids := f.of(classOne, minigroup.ConferenceRoom); len(ids) != 0 {
			t.Errorf("in flight of another kind: %v", ids)
		}
		close(reply)
		if landed(t, first); first.room != room || first.err != nil {
			t.Errorf("got %s, %v", first.room, first.err)
		}
		stop(t, f)
		if len(sent) != 1 || b.answered[id] != room {
			t.Errorf("%d requests, the ledger has %v", len(sent), b.answered)
		}
	})
	t.Run("an attempt that this process has not written, or has brought to an end, is not sent", func(t *testing.T) {
		t.Parallel()
		_, f, id := takeOff(t, deadline)
		send := func(context.Context) (uuid.UUID, error) { return uuid.New(), nil }
		if fl := f.board(uuid.New(), send); fl != nil {
			t.Error("a stranger was boarded")
		}
		landed(t, f.board(id, send))
		if fl := f.board(id, send); fl != nil {
			t.Error("an attempt was sent twice")
		}
		stop(t, f)
	})
	t.Run("a request does not end with the step that sent it, and ends with its moment", func(t *testing.T) {
		t.Parallel()
		b, f, id := takeOff(t, 100*time.Millisecond)
		fl := f.board(id, func(ctx context.Context) (uuid.UUID, error) {
			<-ctx.Done()
			return uuid.Nil, &minigroup.UpstreamError{MaybeDone: true, Err: context.Cause(ctx)}
		})
		if landed(t, fl); !errors.Is(fl.err, context.DeadlineExceeded) {
			t.Errorf("got %v", fl.err)
		}
		if line := b.next(t); line != "lost" {
			t.Errorf("the ledger was told %q", line)
		}
		stop(t, f)
		b.none(t)
	})
	t.Run("an error that no client makes may have left a room", func(t *testing.T) {
		t.Parallel()
		b, f, id := takeOff(t, time.Millisecond)
		landed(t, f.board(id, func(context.Context) (uuid.UUID, error) { return uuid.Nil, errors.New("what is this") }))
		if line := b.next(t); line != "lost" {
			t.Errorf("the ledger was told %q", line)
		}
		stop(t, f)
	})
	t.Run("a request that made no room is refused on the ledger", func(t *testing.T) {
		t.Parallel()
		b, f, id := takeOff(t, deadline)
		fl := landed(t, f.board(id, func(context.Context) (uuid.UUID, error) {
			return uuid.Nil, &minigroup.UpstreamError{Upstream: "event", Refused: true}
		}))
		if line := b.next(t); line != "refused" || fl.err == nil {
			t.Errorf("the ledger was told %q, the step %v", line, fl.err)
		}
		stop(t, f)
		b.none(t)
	})
	t.Run("a room that nobody wants any more is closed, and no step is given it", func(t *testing.T) {
		t.Parallel()
		b, f, id := takeOff(t, deadline)
		b.unwanted = true
		room := uuid.New()
		fl := landed(t, f.board(id, func(context.Context) (uuid.UUID, error) { return room, nil }))
		if fl.err == nil {
			t.Error("a step was given the room")
		}
		if a, c := b.next(t), b.next(t); a != "answered" || c != "close event "+room.String() {
			t.Errorf("got %q, then %q", a, c)
		}
		stop(t, f)
	})
	t.Run("an answer waits for a ledger that is away", func(t *testing.T) {
		t.Parallel()
		b, f, id := takeOff(t, deadline)
		b.away = 3
		room := uuid.New()
		fl := landed(t, f.board(id, func(context.Context) (uuid.UUID, error) { return room, nil }))
		stop(t, f)
		if fl.err != nil || b.answered[id] != room {
			t.Errorf("got %v, the ledger has %v", fl.err, b.answered)
		}
	})
	t.Run("an attempt that nobody has come to send by its moment is refused on the ledger, and not sent any more", func(t *testing.T) {
		t.Parallel()
		b, f, id := takeOff(t, 10*time.Millisecond)
		if line := b.next(t); line != "refused" {
			t.Errorf("the ledger was told %q", line)
		}
		if fl := f.board(id, func(context.Context) (uuid.UUID, error) { return uuid.New(), nil }); fl != nil {
			t.Error("it was sent after its moment")
		}
		stop(t, f)
		b.none(t)
	})
}

func TestRequestsOfOneAudienceTakeHalfOfThePlaces(t *testing.T) {
	t.Parallel()
	b := newBook()
	f := NewInFlight(b, b, 4, zap.NewNop())
	reply := make(chan struct{})
	board := func(kind minigroup.RoomKind, audience string) *flight {
		id := uuid.New()
		f.expect(id, boarding{audience: audience, classID: uuid.New(), kind: kind, deadline: time.Now().Add(deadline)})
		return f.board(id, func(context.Context) (uuid.UUID, error) {
			<-reply
			return uuid.New(), nil
		})
	}
	refused := func(kind minigroup.RoomKind, audience string) {
		t.Helper()
		var upstream *minigroup.UpstreamError
		if fl := landed(t, board(kind, audience)); !errors.As(fl.err, &upstream) || upstream.MaybeDone || upstream.Refused {
			t.Errorf("got %v", fl.err)
		}
		if line := b.next(t); line != "refused" || !f.full(kind, audience) {
			t.Errorf("the ledger was told %q", line)
		}
	}
	sent := []*flight{board(minigroup.EventRoom, "one"), board(minigroup.EventRoom, "one")}
	refused(minigroup.EventRoom, "one")
	sent = append(sent, board(minigroup.ConferenceRoom, "one"), board(minigroup.EventRoom, "two"), board(minigroup.EventRoom, "two"))
	refused(minigroup.EventRoom, "three")
	if n := f.Count(); n != len(sent) {
		t.Errorf("%d are in the air", n)
	}
	close(reply)
	for _, fl := range sent {
		if landed(t, fl).err != nil {
			t.Error(fl.err)
		}
	}
	if fl := landed(t, board(minigroup.EventRoom, "one")); fl.err != nil {
		t.Errorf("when all are answered: %v", fl.err)
	}
	stop(t, f)
}

func TestStop(t *testing.T) {
	t.Parallel()
	t.Run("it waits for the answer of a request in flight and for the ledger to take it", func(t *testing.T) {
		t.Parallel()
		b, f, id := takeOff(t, deadline)
		b.away = 2
		room := uuid.New()
		f.board(id, func(context.Context) (uuid.UUID, error) {
			<-f.stopped // by then it is being waited for
			return room, nil
		})
		stop(t, f)
		if b.answered[id] != room {
			t.Errorf("the ledger has %v", b.answered)
		}
	})
	t.Run("what was not sent is refused on the ledger, and nothing is sent any more", func(t *testing.T) {
		t.Parallel()
		b, f, id := takeOff(t, time.Hour)
		stop(t, f)
		if line := b.next(t); line != "refused" {
			t.Errorf("the ledger was told %q", line)
		}
		send := func(context.Context) (uuid.UUID, error) { return uuid.New(), nil }
		after := uuid.New()
		f.expect(after, boarding{classID: classOne, kind: minigroup.EventRoom, deadline: time.Now().Add(time.Hour)})
		if f.board(id, send) != nil || f.board(after, send) != nil {
			t.Error("a request was sent after Stop")
		}
		b.none(t)
	})
	t.Run("it hangs up when its own time is over", func(t *testing.T) {
		t.Parallel()
		b, f, id := takeOff(t, time.Hour)
		fl := f.board(id, func(ctx context.Context) (uuid.UUID, error) {
			<-ctx.Done()
			return uuid.Nil, &minigroup.UpstreamError{MaybeDone: true, Err: ctx.Err()}
		})
		stopIn(t, f, 50*time.Millisecond)
		if landed(t, fl); !errors.Is(fl.err, context.Canceled) {
			t.Errorf("got %v", fl.err)
		}
		b.none(t)
	})
	t.Run("it does not wait for ever for a ledger that stays away", func(t *testing.T) {
		t.Parallel()
		b, f, id := takeOff(t, time.Hour)
		b.away = 1 << 30
		f.board(id, func(context.Context) (uuid.UUID, error) { return uuid.New(), nil })
		stopIn(t, f, 50*time.Millisecond)
		b.none(t)
	})
	t.Run("it does not wait for the moment of an attempt without an answer", func(t *testing.T) {
		t.Parallel()
		b, f, id := takeOff(t, time.Hour)
		landed(t, f.board(id, func(context.Context) (uuid.UUID, error) {
			return uuid.Nil, &minigroup.UpstreamError{MaybeDone: true}
		}))
		stop(t, f)
		b.none(t)
	})
}

func TestAReplyThatWaitedForAFrozenProcessIsRead(t *testing.T) {
	b := newBook()
	f := NewInFlight(b, b, 0, zap.NewNop())
	defer stop(t, f)
	id, room := uuid.New(), uuid.New()
	fl := &flight{boarding: boarding{classID: classOne, kind: minigroup.EventRoom, deadline: time.Now().Add(-time.Minute)}, done: make(chan struct{})}
	f.wg.Go(func() {
		f.fly(id, fl, func(ctx context.Context) (uuid.UUID, error) { return room, ctx.Err() })
	})
	if landed(t, fl); fl.err != nil || b.next(t) != "answered" || b.answered[id] != room {
		t.Errorf("got %v, %v", fl.err, b.answered)
	}
}
