package workflows_test

import (
	"testing"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/workflows"
)

// inTheAir begins a create and sends its request for a room, which stands still before or after it is executed. The run goes no
// further.
func (s *stage) inTheAir(run string, d minigroup.Draft, st step, where func(*gate, call) error) (answer func()) {
	s.Helper()
	reply := newGate(s.T)
	s.tell(st.asks, func(c call) error { return where(reply, c) })
	s.begins(run, d)
	in := roomInput(d, s.attemptOf(d, st.room))
	beside(s, func() error { return s.act(run, s.roomStep(s.acts, st), in) })
	reply.someone(s.T)
	return reply.open
}

func (s *stage) roomStep(acts *activities.Activities, st step) any {
	if st.room == minigroup.EventRoom {
		return acts.CreateEventRoom
	}
	return acts.CreateConferenceRoom
}

func (s *stage) begins(run string, d minigroup.Draft) {
	s.Helper()
	if err := s.act(run, s.acts.BeginCreate, requestOf(d)); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) undo(run string, d minigroup.Draft) {
	s.Helper()
	if p := s.run(run, workflows.UndoMinigroup, workflows.UndoInput{ClassID: classID(d)}); p.err != nil {
		s.Error(p.err)
	}
}

// arrived waits until the ledger knows so many rooms of a kind.
func (s *stage) arrived(d minigroup.Draft, kind minigroup.RoomKind, want int) {
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
func other(d minigroup.Draft) minigroup.Draft {
	d.Host, d.Reserve = "another.example.org", new(int32(3))
	return d
}

// moment is when a reply comes: it plays what happens to the class of a run that is gone, has the reply answered in the
// midst of it, and returns the draft that is ready in the end, if any is.
type moment struct {
	name string
	play func(s *stage, d minigroup.Draft, st step, answer func()) (made *minigroup.Draft)
}

func momentsOfLateReplies() []moment {
	out := []moment{
		{"while the class is being undone", func(s *stage, d minigroup.Draft, st step, answer func()) *minigroup.Draft {
			undo := newGate(s.T)
			s.tell(fail, undo.before)
			ended := beside(s, func() bool { s.undo("run-2", d); return true })
			undo.someone(s.T)
			answer()
			s.arrived(d, st.room, 1)
			undo.open()
			ended()
			return nil
		}},
		{"after the undo has ended", func(s *stage, d minigroup.Draft, st step, answer func()) *minigroup.Draft {
			s.undo("run-2", d)
			answer()
			s.arrived(d, st.room, 1)
			return nil
		}},
	}
	for name, next := range map[string]func(minigroup.Draft) minigroup.Draft{
		"an equal one": func(d minigroup.Draft) minigroup.Draft { return d }, "one of another draft": other,
	} {
		out = append(out,
			moment{"when " + name + " has begun after its undo", func(s *stage, d minigroup.Draft, st step, answer func()) *minigroup.Draft {
				s.undo("run-2", d)
				d = next(d)
				s.begins("run-3", d)
				answer()
				s.arrived(d, st.room, 1)
				s.creates("run-3", d)
				return &d
			}},
			moment{"when " + name + " is ready after its undo", func(s *stage, d minigroup.Draft, st step, answer func()) *minigroup.Draft {
				s.undo("run-2", d)
				d = next(d)
				s.creates("run-3", d)
				answer()
				s.arrived(d, st.room, 2)
				return &d
			}},
		)
	}
	return out
}

func (s *stage) creates(run string, d minigroup.Draft) {
	s.Helper()
	if p := s.create(run, d); p.err != nil {
		s.Error(p.err)
	}
}

func TestALateReplyToARunThatIsGone(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, away := range map[string]func(*stage, step){
		"":                           func(*stage, step) {},
		", and Postgres is away":     func(s *stage, _ step) { s.tell(answerAttempt, unavailable, unavailable) },
		", and Postgres hears twice": func(s *stage, _ step) { s.tell(answerAttempt, lost) },
		", and the service does not close its room at once": func(s *stage, st step) {
			s.tell(st.undo, unavailable, lost, refused)
		},
	} {
		for _, st := range []step{steps[1], steps[3]} {
			for _, m := range momentsOfLateReplies() {
				t.Run(st.name+": "+m.name+name, func(t *testing.T) {
					t.Parallel()
					s := db.stage(t)
					s.gatewaysWith(20)
					d := newDraft()
					answer := s.inTheAir("run-1", d, st, (*gate).after)
					s.endsWith(m.play(s, d, st, func() { away(s, st); answer() }), d)
					if n := s.count(classID(d), st.room, minigroup.AttemptReleased); n != 1 {
						t.Errorf("%d rooms were released", n)
					}
				})
			}
		}
	}
}

// endsWith checks that exactly the draft that was made exists in the end, and that nothing of the class exists where none was.
func (s *stage) endsWith(made *minigroup.Draft, d minigroup.Draft) {
	s.Helper()
	s.sweepUntilDone(d)
	m := s.holds(d)
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
		"the same": func(d minigroup.Draft) minigroup.Draft { return d }, "another draft": other,
	} {
		for when, before := range map[string]bool{"before it is established": true, "once it is ready": false} {
			t.Run("with "+name+", both land "+when, func(t *testing.T) {
				t.Parallel()
				s := db.stage(t)
				s.gatewaysWith(20)
				d := newDraft()
				made := next(d)
				event, conference := newGate(t), newGate(t)
				s.tell(eventCreate, event.after)
				s.tell(conferenceCreate, conference.after)
				land := func() {
					event.open()
					conference.open()
					s.arrived(d, minigroup.EventRoom, 2)
					s.arrived(d, minigroup.ConferenceRoom, 2)
				}
				cancelled := s.create("run-1", d, plot{activity: "ReserveSlots", after: func(cancel func()) {
					event.someone(t)
					conference.someone(t)
					cancel()
				}})
				if m, err := s.ledger.ByID(t.Context(), classID(d)); err != nil || m.State != minigroup.Failed || !cancelled.cancelled() {
					t.Fatalf("the undo waited for the requests: %+v, %v", m, err)
				}
				if before {
					s.tell(establish, func(c call) error { land(); return c.take(c.ctx) })
				}
				s.creates("run-2", made)
				if !before {
					land()
				}
				s.endsWith(&made, d)
			})
		}
	}
}
