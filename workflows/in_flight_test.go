package workflows_test

import (
	"context"
	"testing"

	"minigroups/minigroup"
)

// delayedReply executes the call and replies when the test calls answer, even when the caller is gone by then.
func delayedReply() (delayed behaviour, answer func()) {
	answered := make(chan struct{})
	return func(c call) error {
		waitFor(answered)
		return executeDetached(c)
	}, func() { close(answered) }
}

func TestRequestThatOutlivesItsStep(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, st := range []step{createSteps[1], createSteps[3]} {
		t.Run(st.name+": the room of a reply that arrives after the undo is closed", func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			d := newDraft()
			delayed, answer := delayedReply()
			p := s.create("run-1", d, s.cancelDuring(st.activity, st.operation, func(c call, cancel func()) error {
				cancel()
				return delayed(c)
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
		t.Run(st.name+": the next attempt of the step joins the request in flight", func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			s.acts.Settings.RequestTimeout = deadline
			d := newDraft()
			delayed, answer := delayedReply()
			s.script(st.operation, delayed)
			attempts := 0
			p := s.create("run-1", d, hook{activity: st.activity, before: func(context.Context, func()) bool {
				if attempts++; attempts == 2 {
					answer()
				}
				return true
			}})
			s.assertEnd(p, d, st, end{})
			if n := s.callCount(st.operation); n != 1 {
				t.Errorf("%d requests were sent", n)
			}
		})
		// unanswered returns a harness with a request in flight in one process, whose run continues in another process.
		unanswered := func(t *testing.T, d minigroup.Draft, delayed behaviour) *harness {
			s := db.newHarness(t)
			s.acts.Settings.RequestTimeout = deadline
			s.script(st.operation, delayed)
			s.begin("run-1", d)
			other := createSteps[1]
			if st.room == other.room {
				other = createSteps[3]
			}
			in := roomInput(d, s.newestAttempt(d, other.room))
			if err := s.execute("run-1", s.createRoom(s.acts, other), in); err != nil {
				t.Fatal(err)
			}
			in = roomInput(d, s.newestAttempt(d, st.room))
			if err := s.execute("run-1", s.createRoom(s.acts, st), in); err == nil {
				t.Fatal("a step without an answer succeeded")
			}
			s.acts = s.newProcess(s.acts.Settings)
			return s
		}
		t.Run(st.name+": during the request another process sends nothing, and takes its room", func(t *testing.T) {
			t.Parallel()
			d := newDraft()
			delayed, answer := delayedReply()
			s := unanswered(t, d, delayed)
			attempts := 0
			answered := func() bool { return s.countDecided(d, st.room) == 1 }
			p := s.create("run-1", d, hook{activity: st.activity, before: func(context.Context, func()) bool {
				if attempts++; attempts == 3 {
					answer()
					s.eventually("the request is answered", answered)
				}
				return true
			}})
			s.assertEnd(p, d, st, end{})
			if n := s.callCount(st.operation); n != 1 || attempts != 3 {
				t.Errorf("%d requests were sent in %d attempts of the step", n, attempts)
			}
		})
		t.Run(st.name+": after its deadline another process sends one, and the late room is closed", func(t *testing.T) {
			t.Parallel()
			d := newDraft()
			delayed, answer := delayedReply()
			s := unanswered(t, d, delayed)
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

func TestReplyDuringTheUndo(t *testing.T) {
	t.Parallel()
	s := newDatabase(t).newHarness(t)
	s.closeRoomFails.Store(true) // only the undo can close the room
	d := newDraft()
	delayed, answer := delayedReply()
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
		return c.execute(c.ctx)
	})
	p := s.create("run-1", d, s.cancelDuring("CreateConferenceRoom", conferenceCreate, func(c call, cancel func()) error {
		s.eventually("there is an event room to close", func() bool {
			return s.countAttempts(classID(d), minigroup.EventRoom, minigroup.AttemptHeld) == 1
		})
		cancel()
		return delayed(c)
	})...)
	if n := s.countAttempts(classID(d), minigroup.ConferenceRoom, minigroup.AttemptReleased); n != 1 {
		t.Errorf("the undo closed %d of the rooms whose reply arrived meanwhile", n)
	}
	s.assertEnd(p, d, createSteps[3], end{failed: minigroup.OperationCancelled, cancelled: true})
}
