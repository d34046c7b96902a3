package workflows_test

import (
	"context"
	"testing"

	"minigroups/activities"
	"minigroups/minigroup"
)

func TestRepeatedCreate(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	t.Run("after a failed create the same request creates the minigroup, with the same id", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(conferenceCreate, refused)
		s.assertEnd(s.create("run-1", d), d, step{}, end{failed: minigroup.UpstreamRefused})
		s.assertEnd(s.create("run-2", d), d, step{}, end{})
	})
	t.Run("after a failed create another request creates the minigroup", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(conferenceCreate, refused)
		s.create("run-1", d)
		d.Host, d.LockedChat, d.Reserve = "another.example.org", false, new(int32(2))
		s.assertEnd(s.create("run-2", d), d, step{}, end{})
	})
	t.Run("a repeated workflow task of a run whose minigroup is ready changes nothing", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.create("run-1", d)
		s.assertEnd(s.create("run-1", d), d, step{}, end{})
		s.assertEnd(s.create("run-1", d, cancelAtOnce), d, step{}, end{})
		if n := s.callCount(eventCreate) + s.callCount(conferenceCreate); n != 2 {
			t.Errorf("%d requests for rooms were sent", n)
		}
	})
	t.Run("a repeated workflow task of a run that has failed fails again without a request", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(conferenceCreate, refused)
		s.create("run-1", d)
		s.assertEnd(s.create("run-1", d), d, step{}, end{failed: minigroup.UpstreamRefused})
		if n := s.callCount(conferenceCreate); n != 1 {
			t.Errorf("conference received %d requests", n)
		}
	})
	t.Run("a create of a minigroup that is ready changes nothing", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.create("run-1", d)
		before := s.assertConsistent(d)
		if p := s.create("run-2", d); p.err != nil {
			t.Error(p.err)
		}
		if after := s.assertConsistent(d); !sameRooms(after, before) {
			t.Errorf("other rooms: %+v, were %+v", after, before)
		}
	})
	t.Run("a cancel during a workflow task restarts the function, and what it forgot is undone", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createEventRoomOnly("run-1", d)
		s.assertEnd(s.create("run-1", d, cancelAtOnce), d, step{}, end{failed: minigroup.OperationCancelled, cancelled: true})
	})
	t.Run("a cancel before the run has begun leaves a failed row", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.assertEnd(s.create("run-1", d, cancelAtOnce), d, step{}, end{failed: minigroup.OperationCancelled, cancelled: true})
	})
	t.Run("a room that a gone run held for the same draft is kept", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createEventRoomOnly("run-1", d)
		s.assertEnd(s.create("run-2", d), d, step{}, end{})
		if n := s.callCount(eventCreate); n != 1 {
			t.Errorf("%d requests for event rooms were sent", n)
		}
	})
	t.Run("a room that a gone run held for another draft is closed", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		s.setCapacities(20) // released slots count until their gateway has confirmed
		d := newDraft()
		s.createEventRoomOnly("run-1", d)
		d.Host = "another.example.org"
		p := s.create("run-2", d)
		s.sweepUntilDone(d)
		s.assertEnd(p, d, step{}, end{})
		if n := s.countAttempts(classID(d), minigroup.EventRoom, minigroup.AttemptReleased); n != 1 {
			t.Errorf("%d event rooms were released", n)
		}
	})
	t.Run("a run that is not current takes no row over and changes nothing", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createEventRoomOnly("run-1", d)
		s.notCurrent.Store(true)
		if p := s.create("run-0", d); p.kind() != activities.Superseded {
			t.Errorf("the run ended with %v", p.err)
		}
		if n := s.countAttempts(classID(d), minigroup.EventRoom, minigroup.AttemptHeld); n != 1 {
			t.Errorf("%d event rooms are held", n)
		}
	})
	t.Run("a run that is superseded in the middle creates no more rooms and does not establish", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		var p *result
		superseded := s.create("run-1", d, hook{activity: "Establish", before: func(context.Context, func()) bool {
			p = s.create("run-2", d)
			return true
		}})
		s.assertEnd(p, d, step{}, end{})
		if superseded.err != nil && superseded.kind() != activities.Superseded {
			t.Errorf("the superseded run ended with %v", superseded.err)
		}
	})
}

// createEventRoomOnly leaves a create after its event room, as a run does that is terminated there.
func (s *harness) createEventRoomOnly(run string, d minigroup.Draft) {
	s.Helper()
	if err := s.execute(run, s.acts.BeginCreate, requestOf(d)); err != nil {
		s.Fatal(err)
	}
	err := s.execute(run, s.acts.CreateEventRoom, roomInput(d, s.newestAttempt(d, minigroup.EventRoom)))
	if err != nil {
		s.Fatal(err)
	}
}
