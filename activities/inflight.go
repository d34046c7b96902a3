package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"minigroups/limiter"
	"minigroups/minigroup"
)

// Flights keeps the requests that create rooms alive beyond the steps that sent them. Event and conference drop a request
// half-way when its client hangs up, and then a room may exist that nobody can find. So a request lives on until its
// attempt's moment, and ends only when the ledger has taken its answer. There are at most so many to each service, half of them for
// one audience: rooms that do not come keep no other from theirs.
type InFlight struct {
	ledger Ledger
	runs   Runs
	log    *zap.Logger

	base    context.Context // ends when the process gives up waiting for its flights
	giveUp  context.CancelFunc
	stopped chan struct{}
	wg      sync.WaitGroup
	places  map[minigroup.RoomKind]*limiter.Limiter

	mu      sync.Mutex
	fresh   map[uuid.UUID]boarding // written by this process, not sent yet
	flights map[uuid.UUID]*flight
}

type boarding struct {
	audience string
	classID  uuid.UUID
	kind     minigroup.RoomKind
	deadline time.Time
	missed   *time.Timer // nobody has sent it by its deadline
}

type flight struct {
	boarding
	done chan struct{} // closed when room and err are there
	room uuid.UUID
	err  error
}

// NewInFlight makes the flights of a process, at most so many of each kind at a time; 0 is no limit. Stop must be called once,
// after the worker has stopped.
func NewInFlight(ledger Ledger, runs Runs, most int, log *zap.Logger) *InFlight {
	base, giveUp := context.WithCancel(context.Background())
	return &InFlight{
		ledger: ledger, runs: runs, log: log, base: base, giveUp: giveUp, stopped: make(chan struct{}),
		places: map[minigroup.RoomKind]*limiter.Limiter{minigroup.EventRoom: limiter.New(most), minigroup.ConferenceRoom: limiter.New(most)},
		fresh:  map[uuid.UUID]boarding{}, flights: map[uuid.UUID]*flight{},
	}
}

// Stop waits until all requests are answered and their answers in the ledger, or until ctx ends; then it hangs up.
func (f *InFlight) Stop(ctx context.Context) {
	close(f.stopped)
	f.mu.Lock()
	for id, b := range f.fresh {
		b.missed.Stop()
		f.wg.Go(func() { f.cancel(id) })
	}
	f.fresh = nil
	f.mu.Unlock()
	landed := make(chan struct{})
	go func() {
		f.wg.Wait()
		close(landed)
	}()
	select {
	case <-landed:
	case <-ctx.Done():
	}
	f.giveUp()
	<-landed
}

// expect notes an attempt that this process has written and nobody has sent. Where nobody comes to send it, it is noted
// as refused: no room can have come of it.
func (f *InFlight) expect(id uuid.UUID, b boarding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fresh == nil {
		return // stopped: a later run finds the attempt expired
	}
	b.missed = time.AfterFunc(time.Until(b.deadline), func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, ok := f.fresh[id]; ok {
			delete(f.fresh, id)
			f.wg.Go(func() { f.cancel(id) })
		}
	})
	f.fresh[id] = b
}

// expectRooms expects the attempts at the two rooms of a class; the zero uuid is none.
func (f *InFlight) expectRooms(audience string, classID uuid.UUID, deadline time.Time, event, conference uuid.UUID) {
	if event != uuid.Nil {
		f.expect(event, boarding{audience: audience, classID: classID, kind: minigroup.EventRoom, deadline: deadline})
	}
	if conference != uuid.Nil {
		f.expect(conference, boarding{audience: audience, classID: classID, kind: minigroup.ConferenceRoom, deadline: deadline})
	}
}

// cancel notes an attempt of which no room has come and none will.
func (f *InFlight) cancel(id uuid.UUID) {
	f.untilTaken(id, func(ctx context.Context) error { return f.ledger.RefuseAttempt(ctx, id) })
}

// of lists the attempts of a class and kind that this process can still bring to an answer.
func (f *InFlight) of(classID uuid.UUID, kind minigroup.RoomKind) []uuid.UUID {
	f.mu.Lock()
	defer f.mu.Unlock()
	ids := []uuid.UUID{}
	for id, b := range f.fresh {
		if b.classID == classID && b.kind == kind {
			ids = append(ids, id)
		}
	}
	for id, fl := range f.flights {
		if fl.classID == classID && fl.kind == kind {
			ids = append(ids, id)
		}
	}
	return ids
}

// Count counts the requests that are sent and waited for.
func (f *InFlight) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.flights)
}

// carrying is the context of a flight that tells what the context of the step which boarded it told: whose request it is, and of
// which trace. It ends with the flight alone.
type carrying struct {
	context.Context
	step context.Context
}

// Value looks in the flight first.
func (c carrying) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.step.Value(key)
}

// full reports whether no request for a room of the audience would be sent now.
func (f *InFlight) full(kind minigroup.RoomKind, audience string) bool {
	return f.places[kind].Full(audience)
}

// limitReached is the error of a request that was not sent, for there are as many as there may be.
func limitReached(kind minigroup.RoomKind) error {
	return noAnswer(kind, false, "too many requests, of this audience or of all, wait for an answer, so this one was not sent")
}

// noAnswer is the error of a room that has not come for a reason of ours.
func noAnswer(kind minigroup.RoomKind, maybeDone bool, detail string) error {
	return &minigroup.UpstreamError{Upstream: string(kind), Doing: fmt.Sprintf("create %s room", kind), MaybeDone: maybeDone, Detail: detail}
}

// board joins the flight of an attempt, or starts it where this process has written the attempt and not sent it. It
// returns nil where neither is so: then nobody here can tell whether the attempt was sent, and a new one is needed. Where it may
// not start now, the attempt is over.
func (f *InFlight) board(id uuid.UUID, send func(context.Context) (uuid.UUID, error)) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl, ok := f.flights[id]; ok {
		return fl
	}
	b, ok := f.fresh[id]
	if !ok {
		return nil
	}
	b.missed.Stop()
	delete(f.fresh, id)
	fl := &flight{boarding: b, done: make(chan struct{})}
	leave, ok := f.places[b.kind].Acquire(b.audience)
	if !ok {
		fl.err = limitReached(b.kind)
		close(fl.done)
		f.wg.Go(func() { f.cancel(id) })
		return fl
	}
	f.flights[id] = fl
	f.wg.Go(func() {
		f.fly(id, fl, func(ctx context.Context) (uuid.UUID, error) {
			defer leave()
			return send(ctx)
		})
	})
	return fl
}

func (f *InFlight) fly(id uuid.UUID, fl *flight, send func(context.Context) (uuid.UUID, error)) {
	ctx, hangUp := f.until(fl.deadline)
	fl.room, fl.err = send(ctx)
	hangUp()
	lost := f.land(id, fl)
	f.mu.Lock()
	delete(f.flights, id)
	f.mu.Unlock()
	close(fl.done)
	if lost {
		f.mourn(id, fl.deadline)
	}
}

// afterMoment is how long a request goes on after its moment. A process that was frozen finds the moment over and, it may
// be, the reply waiting: it shall read that first.
const afterMoment = time.Second

// until returns a context for a request whose moment is over at the deadline.
func (f *InFlight) until(deadline time.Time) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(f.base)
	moment := time.AfterFunc(time.Until(deadline), func() {
		time.AfterFunc(afterMoment, func() { cancel(context.DeadlineExceeded) })
	})
	return ctx, func() {
		moment.Stop()
		cancel(nil)
	}
}

// land takes the answer into the ledger, however long that takes. It reports whether there was none.
func (f *InFlight) land(id uuid.UUID, fl *flight) (lost bool) {
	var upstream *minigroup.UpstreamError
	switch {
	case fl.err == nil:
		var state minigroup.AttemptState
		f.untilTaken(id, func(ctx context.Context) (err error) {
			state, err = f.ledger.AnswerAttempt(ctx, id, fl.room)
			return err
		})
		if state == minigroup.AttemptReleasing {
			f.dismiss(fl)
		}
		return false
	case errors.As(fl.err, &upstream) && !upstream.MaybeDone:
		f.cancel(id)
		return false
	default:
		return true
	}
}

// dismiss has a room closed that nobody wants any more. Should that fail, the ledger still tells that it is to be closed.
func (f *InFlight) dismiss(fl *flight) {
	fl.err = errors.New("the room is not wanted any more, or another was there first")
	ctx, cancel := context.WithTimeout(f.base, ledgerTry)
	defer cancel()
	if err := f.runs.CloseRoom(ctx, minigroup.RoomPendingClose{Kind: fl.kind, ID: fl.room, ClassID: fl.classID}); err != nil {
		f.log.Warn("a condemned room is left for the sweeper", zap.Stringer("class_id", fl.classID), zap.String("kind", string(fl.kind)), zap.Stringer("room_id", fl.room), zap.Error(err))
	}
}

// mourn notes an attempt without an answer as lost once its moment is over.
func (f *InFlight) mourn(id uuid.UUID, deadline time.Time) {
	moment := time.NewTimer(time.Until(deadline) + afterMoment) // Postgres wrote the moment a little later than we took it
	defer moment.Stop()
	select {
	case <-moment.C:
		f.untilTaken(id, func(ctx context.Context) error { return f.ledger.ExpireAttempt(ctx, id) })
	case <-f.stopped:
	}
}

const (
	ledgerTry      = 5 * time.Second
	firstLedgerGap = 100 * time.Millisecond
	lastLedgerGap  = 5 * time.Second
)

// untilTaken repeats a write to the ledger until it succeeds or the process gives up.
func (f *InFlight) untilTaken(id uuid.UUID, write func(context.Context) error) {
	for gap := firstLedgerGap; ; gap = min(2*gap, lastLedgerGap) {
		ctx, cancel := context.WithTimeout(f.base, ledgerTry)
		err := write(ctx)
		cancel()
		if err == nil {
			return
		}
		f.log.Warn("the ledger does not take an answer yet", zap.Stringer("attempt_id", id), zap.Error(err))
		pause := time.NewTimer(gap)
		select {
		case <-pause.C:
		case <-f.base.Done():
			pause.Stop()
			return
		}
	}
}
