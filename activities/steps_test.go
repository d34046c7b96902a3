package activities

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"minigroups/minigroup"
)

// stepWorld is a ledger, conference and a gateway that answer what a test says.
type stepWorld struct {
	Ledger
	Conference
	Janus
	since    time.Time
	sinceErr error
	room     minigroup.ConferenceRoomState
	roomErr  error
	patchErr error
	removals []error // the answers to the next removals
	pending  minigroup.RoomPendingClose
	closeErr error
	rec      minigroup.UpdateRecord
	recErr   error
	events   []minigroup.RoomEvents
	removed  int
	released int
}

func (w *stepWorld) RoomKnownSince(context.Context, uuid.UUID) (time.Time, error) {
	return w.since, w.sinceErr
}

func (w *stepWorld) RoomPendingClose(context.Context, uuid.UUID) (minigroup.RoomPendingClose, bool, error) {
	return w.pending, true, nil
}

func (w *stepWorld) RoomReleased(context.Context, uuid.UUID) error {
	w.released++
	return nil
}

func (w *stepWorld) CloseRoom(context.Context, uuid.UUID) error { return w.closeErr }

func (w *stepWorld) UpdateRecord(context.Context, uuid.UUID) (minigroup.UpdateRecord, error) {
	return w.rec, w.recErr
}

func (w *stepWorld) ByID(context.Context, uuid.UUID) (minigroup.Minigroup, error) {
	return minigroup.Minigroup{State: minigroup.Ready}, nil
}

func (w *stepWorld) RecordRoomEvents(_ context.Context, events minigroup.RoomEvents) (int, error) {
	w.events = append(w.events, events)
	return 0, nil
}

func (w *stepWorld) RecordGateway(context.Context, string, minigroup.GatewayState) error { return nil }

func (w *stepWorld) ReservationReleased(context.Context, uuid.UUID) error {
	w.released++
	return nil
}

func (w *stepWorld) Room(context.Context, uuid.UUID) (minigroup.ConferenceRoomState, error) {
	return w.room, w.roomErr
}

func (w *stepWorld) PatchRoom(
	context.Context, uuid.UUID, minigroup.ConferencePatch,
) (minigroup.ConferenceRoomState, error) {
	return w.room, w.patchErr
}

func (w *stepWorld) Release(context.Context, minigroup.Backend, uuid.UUID) error {
	err := w.removals[w.removed]
	w.removed++
	return err
}

func (w *stepWorld) steps() *Activities {
	return &Activities{Settings: Settings{StepWait: time.Minute}, Ledger: w, Conference: w, Janus: w}
}

func TestARoomIsGoneOnceEveryReplicaMustKnowIt(t *testing.T) {
	synctest.Test(t, testARoomIsGone)
}

func testARoomIsGone(t *testing.T) {
	t.Helper()
	unknown := &minigroup.UpstreamError{Upstream: "conference", Type: roomNotFound, Refused: true}
	away := errors.New("away")
	for name, c := range map[string]struct {
		err   error
		world stepWorld
		gone  bool
		also  error
	}{
		"another error":            {err: away, also: away},
		"an old room":              {err: unknown, world: stepWorld{since: time.Now().Add(-time.Hour)}, gone: true},
		"a new room":               {err: unknown, world: stepWorld{since: time.Now()}, also: unknown},
		"a room that may be new":   {err: unknown, world: stepWorld{since: time.Now().Add(-replicaLag)}, also: unknown},
		"a room of an unknown age": {err: unknown, world: stepWorld{sinceErr: away}, also: away},
	} {
		err := c.world.steps().ifGone(t.Context(), uuid.New(), c.err)
		if isGone(err) != c.gone || c.also != nil && !errors.Is(err, c.also) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestARoomThatIsUnknownCountsAsClosedOnceEveryReplicaMustKnowIt(t *testing.T) {
	unknown := &minigroup.UpstreamError{Upstream: "conference", Type: roomNotFound, Refused: true}
	for name, c := range map[string]struct {
		age    time.Duration
		err    error
		closed bool
	}{
		"closed":             {closed: true},
		"unknown and old":    {age: replicaLag + 1, err: unknown, closed: true},
		"unknown, maybe new": {age: replicaLag, err: unknown},
		"another error":      {age: time.Hour, err: errors.New("away")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &stepWorld{closeErr: c.err, pending: minigroup.RoomPendingClose{
					Kind: minigroup.ConferenceRoom, AnsweredAt: time.Now().Add(-c.age),
				}}
				err := w.steps().CloseRoomIfPresent(t.Context(), Room{})
				if (err == nil) != c.closed || (w.released == 1) != c.closed {
					t.Errorf("got %v, released %d times", err, w.released)
				}
			})
		})
	}
}

func TestTheStateOfAGatewayIsTheReasonOfItsError(t *testing.T) {
	for _, c := range []struct {
		err  error
		want minigroup.GatewayState
	}{
		{nil, minigroup.GatewayState{}},
		{errors.New("away"), minigroup.GatewayState{Reason: "away"}},
		{
			&minigroup.UpstreamError{Upstream: "janus", Doing: "list rooms", Detail: "wrong", Unfit: true},
			minigroup.GatewayState{Reason: "janus: wrong", Unfit: true},
		},
	} {
		if got := gatewayState(c.err); got != c.want {
			t.Errorf("%v: got %+v, want %+v", c.err, got, c.want)
		}
	}
}

// TestARoomThatMayBeMadeLateIsRemovedTwice releases a reservation with a request that was not answered.
func TestARoomThatMayBeMadeLateIsRemovedTwice(t *testing.T) {
	away := errors.New("away")
	for name, c := range map[string]struct {
		removals []error
		ends     time.Duration // of the context; 0: never
		took     time.Duration
		released int
	}{
		"twice":                    {removals: []error{nil, nil}, took: secondRemoval, released: 1},
		"the first one fails":      {removals: []error{away}},
		"the second one fails":     {removals: []error{nil, away}, took: secondRemoval},
		"the step ends in between": {removals: []error{nil, nil}, ends: time.Second, took: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.ends > 0 {
					time.AfterFunc(c.ends, cancel)
				}
				w := &stepWorld{removals: c.removals}
				began := time.Now()
				err := w.steps().release(ctx, minigroup.Reservation{ID: uuid.New(), Doubtful: true, Made: true})
				if (err == nil) != (c.released == 1) || w.released != c.released || time.Since(began) != c.took {
					t.Errorf("got %v after %s, released %d times", err, time.Since(began), w.released)
				}
			})
		})
	}
}

func TestSlotsAreReleasedWithoutTheirGatewayOnlyIfItNeverHadARoom(t *testing.T) {
	unfit, away := &minigroup.UpstreamError{Upstream: "janus", Unfit: true}, errors.New("away")
	for name, c := range map[string]struct {
		err            error
		made, doubtful bool
		released       int
	}{
		"unfit":                       {err: unfit, released: 1},
		"unfit, the room was made":    {err: unfit, made: true},
		"unfit, the room may be made": {err: unfit, doubtful: true},
		"away":                        {err: away},
		"away, the room was made":     {err: away, made: true},
		"removed":                     {made: true, released: 1},
	} {
		w := &stepWorld{removals: []error{c.err}}
		err := w.steps().release(t.Context(), minigroup.Reservation{Made: c.made, Doubtful: c.doubtful})
		if w.released != c.released || (err == nil) != (c.released == 1) {
			t.Errorf("%s: got %v, released %d times", name, err, w.released)
		}
	}
}

func TestAnUpdateThatHasFailedDoesNotWaitForConference(t *testing.T) {
	busy := errors.New("busy")
	failed := minigroup.Failure{Kind: minigroup.OperationCancelled}
	in := func(state minigroup.UpdateState) stepWorld {
		return stepWorld{rec: minigroup.UpdateRecord{Update: minigroup.Update{State: state, Failure: &failed}}}
	}
	for name, c := range map[string]struct {
		world stepWorld
		fails bool
	}{
		"running": {world: in(minigroup.UpdateRunning)}, "failed": {world: in(minigroup.UpdateFailed), fails: true},
		"unknown": {world: stepWorld{recErr: errors.New("away")}},
	} {
		err := c.world.steps().unlessFailed(t.Context(), uuid.New(), busy)
		var public *minigroup.Error
		if errors.Is(err, busy) == c.fails || errors.As(err, &public) != c.fails {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestARefusalBecauseTheRoomIsClosedIsRecorded(t *testing.T) {
	w := &stepWorld{
		patchErr: &minigroup.UpstreamError{Upstream: "conference", Type: roomClosed, Refused: true},
		room:     minigroup.ConferenceRoomState{Time: minigroup.Window{End: new(int64(1))}},
	}
	rec := minigroup.UpdateRecord{Patches: 1}
	rec.Plan.Patch.Host = new("a.b.c")
	err := w.steps().sendPatch(t.Context(), rec)
	var public *minigroup.Error
	if !errors.As(err, &public) || public.Kind != minigroup.Closed {
		t.Errorf("got %v", err)
	}
	if len(w.events) != 1 || len(w.events[0].Closed) != 1 {
		t.Errorf("recorded %+v", w.events)
	}
}

func TestARequestWaitsForCapacityHalfOfItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(1)
		if l.try(t.Context(), "event") == nil {
			t.Fatal("there is no capacity")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		if _, err := l.acquire(ctx, "event", "event", "lock"); err == nil || time.Since(began) != 5*time.Second {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
	})
}

func TestWhatAPatchHasDone(t *testing.T) {
	host := "a.b.c"
	refusal := &minigroup.UpstreamError{Upstream: "conference", Type: "forbidden", Refused: true}
	unanswered := &minigroup.UpstreamError{Upstream: "conference", MaybeDone: true}
	away := errors.New("away")
	for name, c := range map[string]struct {
		world   stepWorld
		patches int
		want    error // nil: it is applied
		maybe   bool  // the error says that the PATCH may have had an effect
	}{
		"it is shown":     {world: stepWorld{room: minigroup.ConferenceRoomState{Host: host}}, patches: 1},
		"it is not shown": {world: stepWorld{}, patches: 1, maybe: true},
		"the first one is refused": {
			world: stepWorld{patchErr: refusal, room: minigroup.ConferenceRoomState{Host: host}}, patches: 1, want: refusal,
		},
		"the second one is refused, because of the first": {
			world: stepWorld{patchErr: refusal, room: minigroup.ConferenceRoomState{Host: host}}, patches: 2,
		},
		"the second one is not answered": {
			world: stepWorld{patchErr: unanswered, room: minigroup.ConferenceRoomState{Host: host}}, patches: 2,
			want: unanswered,
		},
		"the second one is refused": {world: stepWorld{patchErr: refusal}, patches: 2, want: refusal},
		"the second one is refused, and the room cannot be read": {
			world: stepWorld{patchErr: refusal, roomErr: away}, patches: 2, want: away,
		},
	} {
		t.Run(name, func(t *testing.T) {
			rec := minigroup.UpdateRecord{Patches: c.patches}
			rec.Plan.Patch.Host = &host
			err := c.world.steps().sendPatch(t.Context(), rec)
			var upstream *minigroup.UpstreamError
			switch {
			case c.maybe:
				if !errors.As(err, &upstream) || !upstream.MaybeDone {
					t.Errorf("got %v", err)
				}
			case !errors.Is(err, c.want):
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestARequestIsNotSentAfterItsDeadline(t *testing.T) {
	t.Parallel()
	l := newFakeLedger()
	f := NewInFlight(l, l, zap.NewNop())
	late := eventRequest(uuid.New(), -time.Millisecond)
	late.unsent = time.NewTimer(time.Hour) // it has not fired yet
	f.requests[late.attempt] = &late
	send := func(context.Context) (uuid.UUID, error) {
		t.Error("it is sent")
		return uuid.Nil, nil
	}
	if f.start(&late, send, func() {}) {
		t.Error("it is started")
	}
	if call := l.next(t); call != "refused" || !l.refused[late.attempt] {
		t.Errorf("the ledger was called with %q", call)
	}
	stop(t, f)
}

func TestARequestHasTheValuesOfItsStepAndItsOwn(t *testing.T) {
	type key string
	step, end := context.WithCancel(context.WithValue(context.WithValue(t.Context(), key("a"), 1), key("b"), 2))
	own := context.WithValue(t.Context(), key("b"), 3)
	ctx := withValuesOf{own, step}
	end()
	if ctx.Value(key("a")) != 1 || ctx.Value(key("b")) != 3 || ctx.Value(key("c")) != nil || ctx.Err() != nil {
		t.Errorf("got %v, %v, %v, %v", ctx.Value(key("a")), ctx.Value(key("b")), ctx.Value(key("c")), ctx.Err())
	}
}
