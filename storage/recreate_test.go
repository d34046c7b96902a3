package storage_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// renewal is a recreate that has begun.
type renewal struct {
	minigroup.RecreateEntry
	*storage.Store
	before minigroup.Minigroup
}

func begunRecreate(t *testing.T, s *storage.Store, before minigroup.Minigroup, change minigroup.Change) renewal {
	t.Helper()
	d := before.Draft
	if change.Recreate == nil {
		change.Recreate = &minigroup.Recreation{}
	}
	r := minigroup.RecreateEntry{
		UpdateEntry: minigroup.UpdateEntry{
			ID: uuid.New(), Run: "run-2", ClassID: classID(d), Change: change, Plan: minigroup.PlanRecreation(before, change, time.Now().Unix()),
			Reservation: uuid.New(), Gateways: true,
		},
		EventAttempt: uuid.New(), ConferenceAttempt: uuid.New(), RequestTimeout: time.Minute,
	}
	claim := minigroup.Claim{Run: "run-2", Replaces: "run-1"}
	if begun, err := s.TakeForUpdate(t.Context(), claim, classID(d), r.ID); err != nil || begun.State != minigroup.UpdateRequested {
		t.Fatalf("got %+v, %v", begun, err)
	}
	if err := s.BeginRecreate(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return renewal{r, s, before}
}

// another is one more attempt at the event room.
func (r renewal) another() minigroup.AttemptEntry {
	return minigroup.AttemptEntry{
		ID: uuid.New(), Run: r.Run, ClassID: r.ClassID, Kind: minigroup.EventRoom,
		Operation: minigroup.ForRecreate, Fingerprint: r.ID.String(), RequestTimeout: time.Minute,
	}
}

// answered has both rooms answered and the chat locked.
func (r renewal) answered(t *testing.T) (event, conference uuid.UUID) {
	t.Helper()
	event, conference = uuid.New(), uuid.New()
	for attempt, room := range map[uuid.UUID]uuid.UUID{r.EventAttempt: event, r.ConferenceAttempt: conference} {
		if state := answer(t, r.Store, attempt, room); state != minigroup.AttemptHeld {
			t.Fatalf("a new room beside the old is %s", state)
		}
	}
	if err := r.RoomLocked(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	return event, conference
}

func (r renewal) refusesToSwap(t *testing.T, run string) {
	t.Helper()
	var superseded *minigroup.SupersededError
	if err := r.SwapRooms(t.Context(), run, r.ID); !errors.As(err, &superseded) {
		t.Fatalf("got %v", err)
	}
	m, err := r.ByID(t.Context(), r.ClassID)
	if err != nil || m.EventRoomID != r.before.EventRoomID || m.ConferenceRoomID != r.before.ConferenceRoomID {
		t.Fatalf("got %+v, %v", m, err)
	}
}

func (r renewal) fails(t *testing.T) {
	t.Helper()
	reason := minigroup.Failure{Kind: minigroup.OperationCancelled}
	state, err := r.FailUpdate(t.Context(), minigroup.Claim{Run: r.Run}, r.ClassID, r.ID, r.Change, reason, false)
	if err != nil || state != minigroup.UpdateFailed {
		t.Fatalf("got %s, %v", state, err)
	}
}

func TestSwapRooms(t *testing.T) {
	t.Run("puts the new rooms in the place of the old, which are condemned", func(t *testing.T) {
		s, _ := storagetest.New(t)
		gateways(t, s, 10)
		r := begunRecreate(t, s, ready(t, s, "run-1", draft(8)), minigroup.Change{})
		event, conference := r.answered(t)
		for range 2 {
			if err := s.SwapRooms(t.Context(), r.Run, r.ID); err != nil {
				t.Fatal(err)
			}
		}
		m, err := s.ByID(t.Context(), r.ClassID)
		if err != nil || m.EventRoomID != event || m.ConferenceRoomID != conference || m.Update != nil || fingerprint(m.Draft) != fingerprint(r.before.Draft) {
			t.Fatalf("got %+v, %v", m, err)
		}
		condemned, err := s.RoomsPendingClose(t.Context(), r.ClassID)
		if err != nil || len(condemned) != 2 {
			t.Fatalf("got %+v, %v", condemned, err)
		}
		for _, room := range condemned {
			if room.ID != r.before.EventRoomID && room.ID != r.before.ConferenceRoomID {
				t.Errorf("%s room %s is condemned", room.Kind, room.ID)
			}
		}
	})
	t.Run("marks for closing what is still in flight", func(t *testing.T) {
		s, db := storagetest.New(t)
		gateways(t, s, 10)
		r := begunRecreate(t, s, ready(t, s, "run-1", draft(8)), minigroup.Change{})
		expire(t, db, r.EventAttempt)
		late, err := s.OpenAttempt(t.Context(), r.another())
		if err != nil || late.State != minigroup.AttemptSent {
			t.Fatalf("got %+v, %v", late, err)
		}
		r.answered(t)
		if err := s.SwapRooms(t.Context(), r.Run, r.ID); err != nil {
			t.Fatal(err)
		}
		if state := answer(t, s, late.ID, uuid.New()); state != minigroup.AttemptReleasing {
			t.Fatalf("the late room is %s", state)
		}
	})
	t.Run("is refused while a room is missing", func(t *testing.T) {
		s, _ := storagetest.New(t)
		gateways(t, s, 10)
		r := begunRecreate(t, s, ready(t, s, "run-1", draft(8)), minigroup.Change{Recreate: &minigroup.Recreation{LockedChat: new(false)}})
		answer(t, s, r.EventAttempt, uuid.New())
		r.refusesToSwap(t, r.Run)
	})
	for name, recreation := range map[string]minigroup.Recreation{
		"the chat is not locked, as before": {LockedQuestions: new(false)}, "the questions are not locked": {LockedChat: new(false), LockedQuestions: new(true)},
	} {
		t.Run("is refused while "+name, func(t *testing.T) {
			s, _ := storagetest.New(t)
			gateways(t, s, 10)
			r := begunRecreate(t, s, ready(t, s, "run-1", draft(8)), minigroup.Change{Recreate: &recreation})
			answer(t, s, r.EventAttempt, uuid.New())
			answer(t, s, r.ConferenceAttempt, uuid.New())
			r.refusesToSwap(t, r.Run)
		})
	}
	t.Run("is refused to another run", func(t *testing.T) {
		s, _ := storagetest.New(t)
		gateways(t, s, 10)
		r := begunRecreate(t, s, ready(t, s, "run-1", draft(8)), minigroup.Change{})
		r.answered(t)
		r.refusesToSwap(t, "run-3")
	})
	t.Run("is refused once the recreate has failed, and everything new is condemned", func(t *testing.T) {
		s, _ := storagetest.New(t)
		gateways(t, s, 10)
		r := begunRecreate(t, s, ready(t, s, "run-1", draft(8)), minigroup.Change{})
		event, conference := r.answered(t)
		r.fails(t)
		r.refusesToSwap(t, r.Run)
		condemned, err := s.RoomsPendingClose(t.Context(), r.ClassID)
		if err != nil || len(condemned) != 2 {
			t.Fatalf("got %+v, %v", condemned, err)
		}
		for _, room := range condemned {
			if room.ID != event && room.ID != conference {
				t.Errorf("%s room %s is condemned", room.Kind, room.ID)
			}
		}
	})
	for name, over := range map[string]bool{"that was open": false, "that was over": true} {
		t.Run("ends a class "+name+" where conference has closed the new room already", func(t *testing.T) {
			s, _ := storagetest.New(t)
			gateways(t, s, 20) // what is given back counts until its gateway has confirmed
			before := ready(t, s, "run-1", draft(8))
			closes := func(room uuid.UUID) {
				t.Helper()
				closed := minigroup.ClosedRoom{ID: room, ClassID: before.ID, Audience: before.Audience, TimedOut: room != before.ConferenceRoomID}
				if _, err := s.RecordRoomEvents(t.Context(), minigroup.RoomEvents{Closed: []minigroup.ClosedRoom{closed}}); err != nil {
					t.Fatal(err)
				}
			}
			if over {
				closes(before.ConferenceRoomID)
			}
			r := begunRecreate(t, s, before, minigroup.Change{})
			_, conference := r.answered(t)
			closes(conference)
			if _, err := s.EndClosed(t.Context(), 10); err != nil {
				t.Fatal(err)
			}
			if err := s.SwapRooms(t.Context(), r.Run, r.ID); err != nil {
				t.Fatal(err)
			}
			if m, err := s.ByID(t.Context(), r.ClassID); err != nil || m.ClosedAt.IsZero() || !m.TimedOut || m.ConferenceRoomID != conference {
				t.Fatalf("got %+v, %v", m, err)
			}
		})
	}
}

func TestARecreateThatIsDecidedTakesNoMoreAttempts(t *testing.T) {
	s, _ := storagetest.New(t)
	gateways(t, s, 10)
	r := begunRecreate(t, s, ready(t, s, "run-1", draft(8)), minigroup.Change{})
	r.answered(t)
	r.fails(t)
	var superseded *minigroup.SupersededError
	if _, err := s.OpenAttempt(t.Context(), r.another()); !errors.As(err, &superseded) {
		t.Fatalf("got %v", err)
	}
}

func TestOneRecreateGivesUpAnotherFirst(t *testing.T) {
	s, _ := storagetest.New(t)
	gateways(t, s, 10)
	r := begunRecreate(t, s, ready(t, s, "run-1", draft(8)), minigroup.Change{})
	begun, err := s.TakeForUpdate(t.Context(), minigroup.Claim{Run: "run-3", Replaces: r.Run}, r.ClassID, uuid.New())
	if err != nil || begun.Unfinished != r.ID || !begun.UnfinishedRecreate {
		t.Fatalf("got %+v, %v", begun, err)
	}
}
