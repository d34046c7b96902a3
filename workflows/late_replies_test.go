package workflows_test

import (
	"testing"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/workflows"
)

// requestInFlight begins a create and sends its request for a room, which pauses before or after it is executed. The
// run makes no further step. answer ends the pause.
func (s *harness) requestInFlight(
	run string, d minigroup.Draft, st step, pause func(*gate, call) error,
) (answer func()) {
	s.Helper()
	reply := newGate(s.T)
	s.script(st.operation, func(c call) error { return pause(reply, c) })
	s.begin(run, d)
	in := roomInput(d, s.newestAttempt(d, st.room))
	inBackground(s, func() error { return s.execute(run, s.createRoom(s.acts, st), in) })
	reply.awaitReached(s.T)
	return reply.open
}

// createRoom is the activity that creates the room of a step.
func (s *harness) createRoom(acts *activities.Activities, st step) any {
	if st.room == minigroup.EventRoom {
		return acts.CreateEventRoom
	}
	return acts.CreateConferenceRoom
}

func (s *harness) begin(run string, d minigroup.Draft) {
	s.Helper()
	if err := s.execute(run, s.acts.BeginCreate, requestOf(d)); err != nil {
		s.Fatal(err)
	}
}

func (s *harness) mustUndo(run string, d minigroup.Draft) {
	s.Helper()
	if r := s.run(run, workflows.UndoMinigroup, workflows.UndoInput{ClassID: classID(d)}); r.err != nil {
		s.Error(r.err)
	}
}

func (s *harness) mustCreate(run string, d minigroup.Draft) {
	s.Helper()
	if r := s.create(run, d); r.err != nil {
		s.Error(r.err)
	}
}

// awaitReplies waits until the ledger has this number of rooms of a kind.
func (s *harness) awaitReplies(d minigroup.Draft, kind minigroup.RoomKind, want int) {
	s.Helper()
	s.eventually("the replies are on the ledger", func() bool {
		n := 0
		for _, a := range s.attempts(classID(d)) {
			if a.Kind == kind && a.RoomID != nil {
				n++
			}
		}
		return n == want
	})
}

// lateReply is a reply to a run that is gone. arrange runs what happens to the class meanwhile, calls answer at some
// point, and returns the draft that is ready in the end; nil when the class has failed.
type lateReply struct {
	name    string
	arrange func(s *harness, d minigroup.Draft, st step, answer func()) (ready *minigroup.Draft)
}

func lateReplies() []lateReply {
	out := []lateReply{
		{"while the class is being undone", func(s *harness, d minigroup.Draft, st step, answer func()) *minigroup.Draft {
			undo := newGate(s.T)
			s.script(endUndo, undo.before)
			wait := inBackground(s, func() bool { s.mustUndo("run-2", d); return true })
			undo.awaitReached(s.T)
			answer()
			s.awaitReplies(d, st.room, 1)
			undo.open()
			wait()
			return nil
		}},
		{"after the undo has ended", func(s *harness, d minigroup.Draft, st step, answer func()) *minigroup.Draft {
			s.mustUndo("run-2", d)
			answer()
			s.awaitReplies(d, st.room, 1)
			return nil
		}},
	}
	for name, next := range nextDrafts() {
		begun, ready := func(s *harness, d minigroup.Draft, st step, answer func()) *minigroup.Draft {
			s.mustUndo("run-2", d)
			d = next(d)
			s.begin("run-3", d)
			answer()
			s.awaitReplies(d, st.room, 1)
			s.mustCreate("run-3", d)
			return &d
		}, func(s *harness, d minigroup.Draft, st step, answer func()) *minigroup.Draft {
			s.mustUndo("run-2", d)
			d = next(d)
			s.mustCreate("run-3", d)
			answer()
			s.awaitReplies(d, st.room, 2)
			return &d
		}
		out = append(out,
			lateReply{"after the undo, when a create of " + name + " has begun", begun},
			lateReply{"after the undo, when " + name + " is ready", ready})
	}
	return out
}

func TestLateReplyToARunThatIsGone(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, fault := range map[string]func(*harness, step){
		"":                                func(*harness, step) {},
		", while Postgres is unavailable": func(s *harness, _ step) { s.script(answerAttempt, unavailable, unavailable) },
		", which Postgres receives twice": func(s *harness, _ step) { s.script(answerAttempt, loseReply) },
		", whose room cannot be closed at once": func(s *harness, st step) {
			s.script(st.undo, unavailable, loseReply, refused)
		},
	} {
		for _, st := range []step{createSteps[1], createSteps[3]} {
			for _, reply := range lateReplies() {
				t.Run(st.name+": "+reply.name+name, func(t *testing.T) {
					t.Parallel()
					s := db.newHarness(t)
					s.setCapacities(20)
					d := newDraft()
					answer := s.requestInFlight("run-1", d, st, (*gate).after)
					ready := reply.arrange(s, d, st, func() { fault(s, st); answer() })
					s.assertFinal(ready, d)
					if n := s.countAttempts(classID(d), st.room, minigroup.AttemptReleased); n != 1 {
						t.Errorf("%d rooms were released", n)
					}
				})
			}
		}
	}
}

// assertFinal checks that the minigroup of the ready draft exists and nothing else of the class; nil: that it has
// failed.
func (s *harness) assertFinal(ready *minigroup.Draft, d minigroup.Draft) {
	s.Helper()
	s.sweepUntilDone(d)
	m := s.assertConsistent(d)
	switch {
	case ready == nil && m.State != minigroup.Failed:
		s.Errorf("the minigroup is %s", m.State)
	case ready != nil && (m.State != minigroup.Ready || fingerprint(m.Draft) != fingerprint(*ready)):
		s.Errorf("the minigroup is %s and has %+v, want %+v", m.State, m.Draft, *ready)
	}
}

func TestRestartWhileTheRequestsOfAFailedCreateAreInFlight(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, next := range nextDrafts() {
		for when, before := range map[string]bool{"before it is established": true, "when it is ready": false} {
			t.Run("with "+name+", both replies arrive "+when, func(t *testing.T) {
				t.Parallel()
				s := db.newHarness(t)
				s.setCapacities(20)
				d := newDraft()
				ready := next(d)
				event, conference := newGate(t), newGate(t)
				s.script(eventCreate, event.after)
				s.script(conferenceCreate, conference.after)
				reply := func() {
					event.open()
					conference.open()
					s.awaitReplies(d, minigroup.EventRoom, 2)
					s.awaitReplies(d, minigroup.ConferenceRoom, 2)
				}
				cancelled := s.create("run-1", d, hook{activity: "ReserveSlots", after: func(cancel func()) {
					event.awaitReached(t)
					conference.awaitReached(t)
					cancel()
				}})
				m, err := s.ledger.ByID(t.Context(), classID(d))
				if err != nil || m.State != minigroup.Failed || !cancelled.cancelled() {
					t.Fatalf("the undo waited for the requests: %+v, %v", m, err)
				}
				if before {
					s.script(establish, func(c call) error { reply(); return c.execute(c.ctx) })
				}
				s.mustCreate("run-2", ready)
				if !before {
					reply()
				}
				s.assertFinal(&ready, d)
			})
		}
	}
}
