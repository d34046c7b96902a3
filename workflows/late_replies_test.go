package workflows_test

import (
	"testing"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/workflows"
)

// requestInFlight begins a create and sends its request for a room, which stands still before or after it is executed. The run goes no
// further.
func (s *harness) requestInFlight(run string, d minigroup.Draft, st step, where func(*gate, call) error) (answer func()) {
	s.Helper()
	reply := newGate(s.T)
	s.script(st.operation, func(c call) error { return where(reply, c) })
	s.begin(run, d)
	in := roomInput(d, s.newestAttempt(d, st.room))
	inBackground(s, func() error { return s.execute(run, s.roomStep(s.acts, st), in) })
	reply.awaitReached(s.T)
	return reply.open
}

func (s *harness) roomStep(acts *activities.Activities, st step) any {
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
	if p := s.run(run, workflows.UndoMinigroup, workflows.UndoInput{ClassID: classID(d)}); p.err != nil {
		s.Error(p.err)
	}
}

// arrived waits until the ledger knows so many rooms of a kind.
func (s *harness) awaitReplies(d minigroup.Draft, kind minigroup.RoomKind, want int) {
	s.Helper()
	s.eventually("the reply is on the ledger", func() bool {
		n := 0
		for _, a := range s.attempts(classID(d)) {
			if a.Kind == kind && a.RoomID != nil {
				n++
			}
		}
		return n == want
	})
}

// other is another draft of the same class.
func otherDraft(d minigroup.Draft) minigroup.Draft {
	d.Host, d.Reserve = "another.example.org", new(int32(3))
	return d
}

// moment is when a reply comes: it plays what happens to the class of a run that is gone, has the reply answered in the
// midst of it, and returns the draft that is ready in the end, if any is.
type lateReply struct {
	name    string
	arrange func(s *harness, d minigroup.Draft, st step, answer func()) (made *minigroup.Draft)
}

func lateReplies() []lateReply {
	out := []lateReply{
		{"while the class is being undone", func(s *harness, d minigroup.Draft, st step, answer func()) *minigroup.Draft {
			undo := newGate(s.T)
			s.script(endUndo, undo.before)
			ended := inBackground(s, func() bool { s.mustUndo("run-2", d); return true })
			undo.awaitReached(s.T)
			answer()
			s.awaitReplies(d, st.room, 1)
			undo.open()
			ended()
			return nil
		}},
		{"after the undo has ended", func(s *harness, d minigroup.Draft, st step, answer func()) *minigroup.Draft {
			s.mustUndo("run-2", d)
			answer()
			s.awaitReplies(d, st.room, 1)
			return nil
		}},
	}
	for name, next := range map[string]func(minigroup.Draft) minigroup.Draft{
		"an equal one": func(d minigroup.Draft) minigroup.Draft { return d }, "one of another draft": otherDraft,
	} {
		out = append(out,
			lateReply{"when " + name + " has begun after its undo", func(s *harness, d minigroup.Draft, st step, answer func()) *minigroup.Draft {
				s.mustUndo("run-2", d)
				d = next(d)
				s.begin("run-3", d)
				answer()
				s.awaitReplies(d, st.room, 1)
				s.mustCreate("run-3", d)
				return &d
			}},
			lateReply{"when " + name + " is ready after its undo", func(s *harness, d minigroup.Draft, st step, answer func()) *minigroup.Draft {
				s.mustUndo("run-2", d)
				d = next(d)
				s.mustCreate("run-3", d)
				answer()
				s.awaitReplies(d, st.room, 2)
				return &d
			}},
		)
	}
	return out
}

func (s *harness) mustCreate(run string, d minigroup.Draft) {
	s.Helper()
	if p := s.create(run, d); p.err != nil {
		s.Error(p.err)
	}
}

func TestALateReplyToARunThatIsGone(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, away := range map[string]func(*harness, step){
		"":                           func(*harness, step) {},
		", and Postgres is away":     func(s *harness, _ step) { s.script(answerAttempt, unavailable, unavailable) },
		", and Postgres hears twice": func(s *harness, _ step) { s.script(answerAttempt, loseReply) },
		", and the service does not close its room at once": func(s *harness, st step) {
			s.script(st.undo, unavailable, loseReply, refused)
		},
	} {
		for _, st := range []step{createSteps[1], createSteps[3]} {
			for _, m := range lateReplies() {
				t.Run(st.name+": "+m.name+name, func(t *testing.T) {
					t.Parallel()
					s := db.newHarness(t)
					s.setCapacities(20)
					d := newDraft()
					answer := s.requestInFlight("run-1", d, st, (*gate).after)
					s.assertFinal(m.arrange(s, d, st, func() { away(s, st); answer() }), d)
					if n := s.countAttempts(classID(d), st.room, minigroup.AttemptReleased); n != 1 {
						t.Errorf("%d rooms were released", n)
					}
				})
			}
		}
	}
}

// assertFinal checks that exactly the draft that was made exists in the end, and that nothing of the class exists where none was.
func (s *harness) assertFinal(made *minigroup.Draft, d minigroup.Draft) {
	s.Helper()
	s.sweepUntilDone(d)
	m := s.assertConsistent(d)
	switch {
	case made == nil && m.State != minigroup.Failed:
		s.Errorf("the minigroup is %s", m.State)
	case made != nil && (m.State != minigroup.Ready || fingerprint(m.Draft) != fingerprint(*made)):
		s.Errorf("the minigroup is %s and has %+v, want %+v", m.State, m.Draft, *made)
	}
}

func TestRestartWhileTheRequestsOfAFailedCreateAreInTheAir(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, next := range map[string]func(minigroup.Draft) minigroup.Draft{
		"the same": func(d minigroup.Draft) minigroup.Draft { return d }, "another draft": otherDraft,
	} {
		for when, before := range map[string]bool{"before it is established": true, "once it is ready": false} {
			t.Run("with "+name+", both land "+when, func(t *testing.T) {
				t.Parallel()
				s := db.newHarness(t)
				s.setCapacities(20)
				d := newDraft()
				made := next(d)
				event, conference := newGate(t), newGate(t)
				s.script(eventCreate, event.after)
				s.script(conferenceCreate, conference.after)
				land := func() {
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
				if m, err := s.ledger.ByID(t.Context(), classID(d)); err != nil || m.State != minigroup.Failed || !cancelled.cancelled() {
					t.Fatalf("the undo waited for the requests: %+v, %v", m, err)
				}
				if before {
					s.script(establish, func(c call) error { land(); return c.take(c.ctx) })
				}
				s.mustCreate("run-2", made)
				if !before {
					land()
				}
				s.assertFinal(&made, d)
			})
		}
	}
}
