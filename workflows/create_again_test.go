package workflows_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
	"minigroups/workflows"
)

// late does what was asked for, and answers, when the test says so, whatever its caller does.
func delayedReply() (w behaviour, answer func()) {
	now := make(chan struct{})
	return func(c call) error {
		waitFor(now)
		return executeDetached(c)
	}, func() { close(now) }
}

func TestLateReplies(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, st := range []step{createSteps[1], createSteps[3]} {
		t.Run(st.name+": a reply that comes after the undo has the room closed", func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			d := newDraft()
			way, answer := delayedReply()
			p := s.create("run-1", d, s.cancelDuring(st.activity, st.operation, func(c call, cancel func()) error {
				cancel()
				return way(c)
			})...)
			if m, err := s.ledger.ByID(t.Context(), classID(d)); err != nil || m.State != minigroup.Failed {
				t.Fatalf("the undo waited for the reply: %+v, %v", m, err)
			}
			answer()
			s.assertEnd(p, d, st, end{failed: minigroup.OperationCancelled, cancelled: true})
			if n := s.countAttempts(classID(d), st.room, minigroup.AttemptReleased); n != 1 {
				t.Errorf("%d rooms were released", n)
			}
		})
		t.Run(st.name+": a step that comes again joins the request in flight", func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			s.acts.Settings.RequestTimeout = deadline
			d := newDraft()
			way, answer := delayedReply()
			s.script(st.operation, way)
			again := 0
			p := s.create("run-1", d, hook{activity: st.activity, before: func(context.Context, func()) bool {
				if again++; again == 2 {
					answer()
				}
				return true
			}})
			s.assertEnd(p, d, st, end{})
			if n := s.callCount(st.operation); n != 1 {
				t.Errorf("%d requests were sent", n)
			}
		})
		// unanswered returns a stage whose process waits for the answer of a room, and whose run continues in another.
		unanswered := func(t *testing.T, d minigroup.Draft, way behaviour) *harness {
			s := db.newHarness(t)
			s.acts.Settings.RequestTimeout = deadline
			s.script(st.operation, way)
			s.begin("run-1", d)
			other := createSteps[1]
			if st.room == other.room {
				other = createSteps[3]
			}
			if err := s.execute("run-1", s.roomStep(s.acts, other), roomInput(d, s.newestAttempt(d, other.room))); err != nil {
				t.Fatal(err)
			}
			fn := s.roomStep(s.acts, st)
			if err := s.execute("run-1", fn, roomInput(d, s.newestAttempt(d, st.room))); err == nil {
				t.Fatal("a step without an answer succeeded")
			}
			s.acts = s.newProcess(s.acts.Settings)
			return s
		}
		t.Run(st.name+": another process sends nothing while the request is in flight, and takes its room", func(t *testing.T) {
			t.Parallel()
			d := newDraft()
			way, answer := delayedReply()
			s := unanswered(t, d, way)
			attempts := 0
			p := s.create("run-1", d, hook{activity: st.activity, before: func(context.Context, func()) bool {
				if attempts++; attempts == 3 {
					answer()
					s.eventually("it is answered", func() bool { return s.countDecided(d, st.room) == 1 })
				}
				return true
			}})
			s.assertEnd(p, d, st, end{})
			if n := s.callCount(st.operation); n != 1 || attempts != 3 {
				t.Errorf("%d requests were sent in %d attempts of the step", n, attempts)
			}
		})
		t.Run(st.name+": once the request has expired another process sends one, and the late room is closed", func(t *testing.T) {
			t.Parallel()
			d := newDraft()
			way, answer := delayedReply()
			s := unanswered(t, d, way)
			s.expireRequests(d)
			p := s.create("run-1", d)
			answer()
			s.assertEnd(p, d, st, end{})
			if n := s.countAttempts(classID(d), st.room, minigroup.AttemptReleased); n != 1 {
				t.Errorf("%d rooms were released", n)
			}
		})
	}
}

func TestRepliesDuringTheUndo(t *testing.T) {
	t.Parallel()
	s := newDatabase(t).newHarness(t)
	s.closeRoomFails.Store(true) // so that the undo alone can close the room
	d := newDraft()
	way, answer := delayedReply()
	s.script(eventClose, func(c call) error {
		answer()
		s.eventually("the late reply is on the ledger", func() bool {
			for _, a := range s.attempts(classID(d)) {
				if a.Kind == minigroup.ConferenceRoom && a.RoomID != nil {
					return true
				}
			}
			return false
		})
		return c.take(c.ctx)
	})
	p := s.create("run-1", d, s.cancelDuring("CreateConferenceRoom", conferenceCreate, func(c call, cancel func()) error {
		s.eventually("there is an event room to close", func() bool { return s.countAttempts(classID(d), minigroup.EventRoom, minigroup.AttemptHeld) == 1 })
		cancel()
		return way(c)
	})...)
	if n := s.countAttempts(classID(d), minigroup.ConferenceRoom, minigroup.AttemptReleased); n != 1 {
		t.Errorf("the undo ended with %d of the rooms closed that turned up meanwhile", n)
	}
	s.assertEnd(p, d, createSteps[3], end{failed: minigroup.OperationCancelled, cancelled: true})
}

func TestStepsOfARunThatHasNoSay(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	begin := func(s *harness, run string, d minigroup.Draft) {
		t.Helper()
		if err := s.execute(run, s.acts.BeginCreate, requestOf(d)); err != nil {
			t.Fatal(err)
		}
	}
	supersedes := func(t *testing.T, err error) {
		t.Helper()
		if _, _, superseded := activities.FailureOf(err); err == nil || !superseded {
			t.Errorf("it was told %v", err)
		}
	}
	condemned := func(s *harness, run string, d minigroup.Draft) {
		t.Helper()
		in := activities.BeginUndoInput{ClassID: classID(d), Reason: stored.Failure{Kind: minigroup.OperationCancelled}}
		if err := s.execute(run, s.acts.BeginUndo, in); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a run that was overtaken asks for no room", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		begin(s, "run-1", d)
		begin(s, "run-2", d)
		supersedes(t, s.execute("run-1", s.acts.CreateEventRoom, roomInput(d, uuid.Nil)))
		if n := s.callCount(eventCreate); n != 0 {
			t.Errorf("%d rooms were asked for", n)
		}
	})
	t.Run("a run that is undoing asks for no room", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		begin(s, "run-1", d)
		condemned(s, "run-1", d)
		supersedes(t, s.execute("run-1", s.acts.CreateConferenceRoom, roomInput(d, uuid.Nil)))
		if n := s.callCount(conferenceCreate); n != 0 {
			t.Errorf("%d rooms were asked for", n)
		}
	})
	t.Run("a run that was overtaken does not establish, although everything is held", func(t *testing.T) {
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
		supersedes(t, s.execute("run-1", s.acts.Establish, activities.ClassRef{ID: classID(d)}))
		if m, err := s.ledger.ByID(t.Context(), classID(d)); err != nil || m.State != minigroup.Creating {
			t.Errorf("the minigroup is %s, %v", m.State, err)
		}
		s.assertEnd(s.create("run-2", d), d, step{}, end{})
	})
	t.Run("a lock of a room that is condemned is of no use", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createEventRoomOnly("run-1", d)
		condemned(s, "run-1", d)
		for _, a := range s.attempts(classID(d)) {
			if a.RoomID != nil {
				supersedes(t, s.execute("run-1", s.acts.LockRoom, activities.LockInput{Room: *a.RoomID, Chat: true}))
			}
		}
	})
}

func TestCreateOnceMore(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	t.Run("after a failed create the same one makes the minigroup, with the same id", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(conferenceCreate, refused)
		s.assertEnd(s.create("run-1", d), d, step{}, end{failed: minigroup.UpstreamRefused})
		s.assertEnd(s.create("run-2", d), d, step{}, end{})
	})
	t.Run("after a failed create another draft makes the minigroup", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(conferenceCreate, refused)
		s.create("run-1", d)
		d.Host, d.LockedChat, d.Reserve = "another.example.org", false, new(int32(2))
		s.assertEnd(s.create("run-2", d), d, step{}, end{})
	})
	t.Run("a repeated task of a run whose minigroup is ready changes nothing", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.create("run-1", d)
		s.assertEnd(s.create("run-1", d), d, step{}, end{})
		s.assertEnd(s.create("run-1", d, cancelAtOnce), d, step{}, end{})
		if n := s.callCount(eventCreate) + s.callCount(conferenceCreate); n != 2 {
			t.Errorf("%d rooms were asked for", n)
		}
	})
	t.Run("a repeated task of a run that has failed stays failed", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(conferenceCreate, refused)
		s.create("run-1", d)
		s.assertEnd(s.create("run-1", d), d, step{}, end{failed: minigroup.UpstreamRefused})
		if n := s.callCount(conferenceCreate); n != 1 {
			t.Errorf("conference was asked %d times", n)
		}
	})
	t.Run("a create on a minigroup that is ready touches nothing", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.create("run-1", d)
		before := s.assertConsistent(d)
		if p := s.create("run-2", d); p.err != nil {
			t.Error(p.err)
		}
		if after := s.assertConsistent(d); after.EventRoomID != before.EventRoomID || after.ConferenceRoomID != before.ConferenceRoomID {
			t.Errorf("other rooms: %+v, were %+v", after, before)
		}
	})
	t.Run("a cancel in mid-task starts the function again, and what it has forgotten is undone", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createEventRoomOnly("run-1", d)
		s.assertEnd(s.create("run-1", d, cancelAtOnce), d, step{}, end{failed: minigroup.OperationCancelled, cancelled: true})
	})
	t.Run("a cancel before the run has begun leaves a row that tells of it", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.assertEnd(s.create("run-1", d, cancelAtOnce), d, step{}, end{failed: minigroup.OperationCancelled, cancelled: true})
	})
	t.Run("what was held for the same draft by a run that is gone is kept", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createEventRoomOnly("run-1", d)
		s.assertEnd(s.create("run-2", d), d, step{}, end{})
		if n := s.callCount(eventCreate); n != 1 {
			t.Errorf("%d event rooms were asked for", n)
		}
	})
	t.Run("what was held for another draft by a run that is gone is closed", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		s.setCapacities(20) // what is given up counts until its gateway has confirmed
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
	t.Run("a run that is not current takes no row and changes nothing", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createEventRoomOnly("run-1", d)
		s.notCurrent.Store(true)
		if p := s.create("run-0", d); p.kind() != activities.Superseded {
			t.Errorf("it ended with %v", p.err)
		}
		if n := s.countAttempts(classID(d), minigroup.EventRoom, minigroup.AttemptHeld); n != 1 {
			t.Errorf("%d event rooms are held", n)
		}
	})
	t.Run("a run that was overtaken makes no more rooms and does not establish", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		var p *result
		overtaken := s.create("run-1", d, hook{activity: "Establish", before: func(context.Context, func()) bool {
			p = s.create("run-2", d)
			return true
		}})
		s.assertEnd(p, d, step{}, end{})
		if overtaken.err != nil && overtaken.kind() != activities.Superseded {
			t.Errorf("the one that was overtaken ended with %v", overtaken.err)
		}
	})
}

// createEventRoomOnly leaves a create after its event room, as a run leaves it that was terminated there.
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

func TestUndoOfARunThatIsGone(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	t.Run("what it had made is closed and the minigroup is failed", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createEventRoomOnly("run-1", d)
		p := s.run("run-2", workflows.UndoMinigroup, workflows.UndoInput{ClassID: classID(d)})
		if p.err != nil {
			t.Error(p.err)
		}
		if m := s.assertConsistent(d); m.State != minigroup.Failed || m.Failure.Kind != minigroup.OperationCancelled {
			t.Errorf("the minigroup is %s: %+v", m.State, m.Failure)
		}
	})
	t.Run("a create that was superseded at its end is undone by it", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(establish, superseded)
		if p := s.create("run-1", d); p.kind() != activities.Superseded {
			t.Errorf("it ended with %v", p.err)
		}
		s.run("run-2", workflows.UndoMinigroup, workflows.UndoInput{ClassID: classID(d)})
		if m := s.assertConsistent(d); m.State != minigroup.Failed {
			t.Errorf("the minigroup is %s", m.State)
		}
	})
	t.Run("a minigroup that is ready stays as it is", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.create("run-1", d)
		before := s.assertConsistent(d)
		if p := s.run("run-2", workflows.UndoMinigroup, workflows.UndoInput{ClassID: classID(d)}); p.err != nil {
			t.Error(p.err)
		}
		if after := s.assertConsistent(d); after.State != minigroup.Ready || after.EventRoomID != before.EventRoomID {
			t.Errorf("got %+v, was %+v", after, before)
		}
	})
	t.Run("a minigroup that never was stays so", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		if p := s.run("run-2", workflows.UndoMinigroup, workflows.UndoInput{ClassID: classID(d)}); p.err != nil {
			t.Error(p.err)
		}
		if _, err := s.ledger.ByID(t.Context(), classID(d)); err == nil {
			t.Error("there is a row")
		}
	})
	t.Run("it goes on where a run was undoing", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createEventRoomOnly("run-1", d)
		err := s.execute("run-1", s.acts.BeginUndo, activities.BeginUndoInput{
			ClassID: classID(d), Request: new(requestOf(d)), Reason: stored.Failure{Kind: minigroup.UpstreamRefused, Detail: "the first reason"},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.run("run-2", workflows.UndoMinigroup, workflows.UndoInput{ClassID: classID(d)})
		if m := s.assertConsistent(d); m.State != minigroup.Failed || m.Failure.Detail != "the first reason" {
			t.Errorf("got %s: %+v", m.State, m.Failure)
		}
	})
}

func TestCloseRoomLeavesAloneWhatIsHeld(t *testing.T) {
	t.Parallel()
	s := newDatabase(t).newHarness(t)
	d := newDraft()
	s.create("run-1", d)
	m := s.assertConsistent(d)
	for _, room := range []activities.Room{{Kind: minigroup.EventRoom, ID: m.EventRoomID}, {Kind: minigroup.ConferenceRoom, ID: m.ConferenceRoomID}} {
		if p := s.run("close", workflows.CloseRoom, room); p.err != nil {
			t.Error(p.err)
		}
	}
	s.assertConsistent(d)
	if n := s.callCount(eventClose) + s.callCount(conferenceClose); n != 0 {
		t.Errorf("%d rooms were asked to close", n)
	}
}
