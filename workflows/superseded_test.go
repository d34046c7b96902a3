package workflows_test

import (
	"testing"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
)

func TestStepsOfASupersededRun(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	begin := func(s *harness, run string, d minigroup.Draft) {
		t.Helper()
		if err := s.execute(run, s.acts.BeginCreate, requestOf(d)); err != nil {
			t.Fatal(err)
		}
	}
	assertSuperseded := func(t *testing.T, err error) {
		t.Helper()
		if _, _, superseded := activities.FailureOf(err); err == nil || !superseded {
			t.Errorf("the step returned %v", err)
		}
	}
	beginUndo := func(s *harness, run string, d minigroup.Draft) {
		t.Helper()
		in := activities.BeginUndoInput{ClassID: classID(d), Reason: stored.Failure{Kind: minigroup.OperationCancelled}}
		if err := s.execute(run, s.acts.BeginUndo, in); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a superseded run creates no room", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		begin(s, "run-1", d)
		begin(s, "run-2", d)
		assertSuperseded(t, s.execute("run-1", s.acts.CreateEventRoom, roomInput(d, uuid.Nil)))
		if n := s.callCount(eventCreate); n != 0 {
			t.Errorf("%d requests for rooms were sent", n)
		}
	})
	t.Run("a run that is undoing creates no room", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		begin(s, "run-1", d)
		beginUndo(s, "run-1", d)
		assertSuperseded(t, s.execute("run-1", s.acts.CreateConferenceRoom, roomInput(d, uuid.Nil)))
		if n := s.callCount(conferenceCreate); n != 0 {
			t.Errorf("%d requests for rooms were sent", n)
		}
	})
	t.Run("a superseded run does not establish, although everything is held", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		d.LockedChat, d.Reserve = false, nil
		s.createEventRoomOnly("run-1", d)
		in := roomInput(d, s.newestAttempt(d, minigroup.ConferenceRoom))
		if err := s.execute("run-1", s.acts.CreateConferenceRoom, in); err != nil {
			t.Fatal(err)
		}
		begin(s, "run-2", d)
		assertSuperseded(t, s.execute("run-1", s.acts.Establish, activities.ClassRef{ID: classID(d)}))
		if m, err := s.ledger.ByID(t.Context(), classID(d)); err != nil || m.State != minigroup.Creating {
			t.Errorf("the minigroup is %s, %v", m.State, err)
		}
		s.assertEnd(s.create("run-2", d), d, step{}, end{})
	})
	t.Run("a room marked for closing is not locked", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createEventRoomOnly("run-1", d)
		beginUndo(s, "run-1", d)
		for _, a := range s.attempts(classID(d)) {
			if a.RoomID != nil {
				assertSuperseded(t, s.execute("run-1", s.acts.LockRoom, activities.LockInput{Room: *a.RoomID, Chat: true}))
			}
		}
	})
}
