package storage_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// recreation is a recreate that has begun.
type recreation struct {
	ledger
	entry  minigroup.RecreateEntry
	before minigroup.Minigroup
}

// recreate begins a recreate of a class with eight slots, by run-2.
func (l ledger) recreate(locks minigroup.Recreation) recreation {
	l.Helper()
	return l.recreateOf(l.ready("run-1", draft(8)), locks)
}

func (l ledger) recreateOf(m minigroup.Minigroup, locks minigroup.Recreation) recreation {
	l.Helper()
	r := l.recreateEntry(m, locks)
	_, _, err := l.BeginRecreate(l.Context(), r)
	l.must(err)
	return recreation{l, r, m}
}

// recreateEntry lets run-2 take the class for a recreate.
func (l ledger) recreateEntry(m minigroup.Minigroup, locks minigroup.Recreation) minigroup.RecreateEntry {
	l.Helper()
	change := minigroup.Change{Recreate: &locks}
	r := minigroup.RecreateEntry{
		UpdateEntry: minigroup.UpdateEntry{
			Claim: minigroup.Claim{Run: "run-2"}, ID: uuid.New(), ClassID: m.ID, Change: change,
			Plan:        minigroup.PlanRecreation(m, change, time.Now().Unix()),
			Reservation: uuid.New(), Gateways: true,
		},
		EventAttempt: uuid.New(), ConferenceAttempt: uuid.New(), RequestTimeout: time.Minute,
	}
	b, err := l.TakeForUpdate(l.Context(), minigroup.Claim{Run: "run-2", Replaces: "run-1"}, m.ID, r.ID)
	if err != nil || b.State != minigroup.UpdateRequested {
		l.Fatalf("got %+v, %v", b, err)
	}
	return r
}

// another is a further attempt at the event room.
func (r recreation) another() minigroup.AttemptEntry {
	return minigroup.AttemptEntry{
		ID: uuid.New(), Run: r.entry.Run, ClassID: r.entry.ClassID, Kind: minigroup.EventRoom,
		Operation: minigroup.ForRecreate, Fingerprint: r.entry.ID.String(), RequestTimeout: time.Minute,
	}
}

// answered answers the requests for both rooms, and locks the event room.
func (r recreation) answered() (event, conference uuid.UUID) {
	r.Helper()
	event, conference = uuid.New(), uuid.New()
	for attempt, room := range map[uuid.UUID]uuid.UUID{
		r.entry.EventAttempt: event, r.entry.ConferenceAttempt: conference,
	} {
		if state := r.answer(attempt, room); state != minigroup.AttemptHeld {
			r.Fatalf("a new room beside the old one is %s", state)
		}
	}
	r.locked(event)
	return event, conference
}

func (r recreation) swap() {
	r.Helper()
	r.must(r.SwapRooms(r.Context(), r.entry.Run, r.entry.ID))
}

// refusesToSwap checks that a swap by the run changes nothing.
func (r recreation) refusesToSwap(run string) {
	r.Helper()
	if err := r.SwapRooms(r.Context(), run, r.entry.ID); !isSuperseded(err) {
		r.Fatalf("got %v", err)
	}
	m := r.read(r.entry.ClassID)
	if m.EventRoomID != r.before.EventRoomID || m.ConferenceRoomID != r.before.ConferenceRoomID {
		r.Fatalf("got %+v", m)
	}
}

// cancel fails the recreate.
func (r recreation) cancel() {
	r.Helper()
	state := r.fail(r.entry.Run, r.entry.ClassID, r.entry.ID, minigroup.OperationCancelled, false)
	if state != minigroup.UpdateFailed {
		r.Fatalf("it is %s", state)
	}
}

// mustClose checks that these two rooms are pending close.
func (r recreation) mustClose(event, conference uuid.UUID) {
	r.Helper()
	pending, err := r.RoomsPendingClose(r.Context(), r.entry.ClassID)
	if err != nil || len(pending) != 2 {
		r.Fatalf("got %+v, %v", pending, err)
	}
	for _, room := range pending {
		if room.ID != event && room.ID != conference {
			r.Errorf("%s room %s is pending close", room.Kind, room.ID)
		}
	}
}

func TestSwapRooms(t *testing.T) {
	t.Run("puts the new rooms in place of the old ones, which are marked for closing", func(t *testing.T) {
		r := newLedger(t, 10).recreate(minigroup.Recreation{})
		event, conference := r.answered()
		for range 2 {
			r.swap()
		}
		m := r.read(r.entry.ClassID)
		if m.EventRoomID != event || m.ConferenceRoomID != conference || m.Update != nil {
			t.Fatalf("got %+v", m)
		}
		if fingerprint(m.Draft) != fingerprint(r.before.Draft) {
			t.Fatalf("got %+v, was %+v", m.Draft, r.before.Draft)
		}
		r.mustClose(r.before.EventRoomID, r.before.ConferenceRoomID)
	})
	t.Run("marks for closing what is in flight", func(t *testing.T) {
		r := newLedger(t, 10).recreate(minigroup.Recreation{})
		r.expire(r.entry.EventAttempt)
		late := r.open(r.another())
		if late.State != minigroup.AttemptSent {
			t.Fatalf("got %+v", late)
		}
		r.answered()
		r.swap()
		if state := r.answer(late.ID, uuid.New()); state != minigroup.AttemptReleasing {
			t.Fatalf("the late room is %s", state)
		}
	})
	t.Run("is refused while a room is missing", func(t *testing.T) {
		r := newLedger(t, 10).recreate(minigroup.Recreation{LockedChat: new(false)})
		r.answer(r.entry.EventAttempt, uuid.New())
		r.refusesToSwap(r.entry.Run)
	})
	for name, locks := range map[string]minigroup.Recreation{
		"the chat is not locked, as before": {LockedQuestions: new(false)},
		"the questions are not locked":      {LockedChat: new(false), LockedQuestions: new(true)},
	} {
		t.Run("is refused while "+name, func(t *testing.T) {
			r := newLedger(t, 10).recreate(locks)
			r.answer(r.entry.EventAttempt, uuid.New())
			r.answer(r.entry.ConferenceAttempt, uuid.New())
			r.refusesToSwap(r.entry.Run)
		})
	}
	t.Run("is refused to another run", func(t *testing.T) {
		r := newLedger(t, 10).recreate(minigroup.Recreation{})
		r.answered()
		r.refusesToSwap("run-3")
	})
	t.Run("is refused when the recreate has failed, and the new rooms are marked for closing", func(t *testing.T) {
		r := newLedger(t, 10).recreate(minigroup.Recreation{})
		event, conference := r.answered()
		r.cancel()
		r.refusesToSwap(r.entry.Run)
		r.mustClose(event, conference)
	})
	for name, over := range map[string]bool{"an open class": false, "a closed class": true} {
		t.Run("ends "+name+" if conference has closed the new room already", func(t *testing.T) {
			l := newLedger(t, 20) // slots that are given back count until their gateway has confirmed
			m := l.ready("run-1", draft(8))
			if over {
				l.record(closing(m, false))
				m = l.read(m.ID)
			}
			r := l.recreateOf(m, minigroup.Recreation{})
			_, conference := r.answered()
			closed := closingOf(m.Draft, conference)
			closed.Closed[0].TimedOut = true
			l.record(closed)
			l.endClosed()
			r.swap()
			after := l.read(m.ID)
			if after.ClosedAt.IsZero() || !after.TimedOut || after.ConferenceRoomID != conference {
				t.Fatalf("got %+v", after)
			}
		})
	}
}

func TestARecreateIsPlannedAgainIfItsClassEndsMeanwhile(t *testing.T) {
	l := newLedger(t)
	d := draft(0)
	d.Time = running()
	planned := l.recreateEntry(l.ready("run-1", d), minigroup.Recreation{})
	if !l.record(closing(l.read(planned.ClassID), false)) {
		t.Fatal("the class has not ended")
	}
	ended := l.read(planned.ClassID)
	if _, _, err := l.BeginRecreate(t.Context(), planned); err == nil {
		t.Error("it began, with values that the class does not have any more")
	}
	if now := l.read(planned.ClassID); now.Update != nil || !reflect.DeepEqual(now, ended) {
		t.Errorf("the class has changed: %+v", now)
	}
	planned.Plan = minigroup.PlanRecreation(ended, planned.Change, time.Now().Unix())
	_, _, err := l.BeginRecreate(t.Context(), planned)
	l.must(err)
	if rec, err := l.UpdateRecord(t.Context(), planned.ID); err != nil || rec.Plan.Time != (minigroup.Window{}) {
		t.Errorf("planned again, the class gets the time %+v, %v", rec.Plan.Time, err)
	}
}

func TestAnAttemptAfterItsRunHasCompletedTheRecreateIsTheHeldOne(t *testing.T) {
	r := newLedger(t, 10).recreate(minigroup.Recreation{})
	event, _ := r.answered()
	r.swap()
	a, err := r.OpenAttempt(t.Context(), r.another())
	if err != nil || a.State != minigroup.AttemptHeld || a.RoomID != event {
		t.Fatalf("got %+v, %v, want the room %s", a, err, event)
	}
}

func TestADecidedRecreateGetsNoMoreAttempts(t *testing.T) {
	r := newLedger(t, 10).recreate(minigroup.Recreation{})
	r.answered()
	r.cancel()
	if _, err := r.OpenAttempt(t.Context(), r.another()); !isSuperseded(err) {
		t.Fatalf("got %v", err)
	}
}

func TestARecreateFindsAnotherThatMustBeFinishedFirst(t *testing.T) {
	r := newLedger(t, 10).recreate(minigroup.Recreation{})
	claim := minigroup.Claim{Run: "run-3", Replaces: r.entry.Run}
	b, err := r.TakeForUpdate(t.Context(), claim, r.entry.ClassID, uuid.New())
	if err != nil || b.Unfinished != r.entry.ID || !b.UnfinishedRecreate {
		t.Fatalf("got %+v, %v", b, err)
	}
}
