package workflows_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// requestTwice makes one run send two requests for a room from two processes. The deadline of the first has passed when
// the second is sent. The functions it returns let the replies arrive.
func (s *harness) requestTwice(
	d minigroup.Draft, st step, first, second func(*gate) behaviour,
) (answerFirst, answerSecond func()) {
	s.Helper()
	replies := []*gate{newGate(s.T), newGate(s.T)}
	s.begin("run-1", d)
	in := roomInput(d, s.newestAttempt(d, st.room))
	for i, pause := range []func(*gate) behaviour{first, second} {
		s.script(st.operation, pause(replies[i]))
		acts := s.acts
		inBackground(s, func() error { return s.executeIn(acts, "run-1", s.createRoom(acts, st), in) })
		replies[i].awaitReached(s.T)
		s.expireRequests(d)
		s.acts = s.newProcess(s.acts.Settings) // for the next request, and the rest of the run
	}
	return replies[0].open, replies[1].open
}

func TestOneRunRequestsARoomFromTwoProcesses(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	answered, lost := func(g *gate) behaviour { return g.after }, func(g *gate) behaviour { return g.afterWithoutReply }
	for _, st := range []step{createSteps[1], createSteps[3]} {
		for name, c := range map[string]struct {
			first, second func(*gate) behaviour
			secondIsFirst bool
		}{
			"both are answered":                    {first: answered, second: answered},
			"both are answered, the second first":  {first: answered, second: answered, secondIsFirst: true},
			"only the second is answered":          {first: lost, second: answered},
			"only the first is answered":           {first: answered, second: lost},
			"only the first is answered, and last": {first: answered, second: lost, secondIsFirst: true},
			"none is answered":                     {first: lost, second: lost},
		} {
			t.Run(st.name+": "+name, func(t *testing.T) {
				t.Parallel()
				s := db.newHarness(t)
				d := newDraft()
				one, two := s.requestTwice(d, st, c.first, c.second)
				if c.secondIsFirst {
					one, two = two, one
				}
				one()
				s.eventually("the first is decided", func() bool { return s.countDecided(d, st.room) == 1 })
				two()
				s.eventually("both are decided", func() bool { return s.countDecided(d, st.room) == 2 })
				s.assertEnd(s.create("run-1", d), d, step{}, end{})
			})
		}
		t.Run(st.name+": both replies reach the ledger at the same time", func(t *testing.T) {
			t.Parallel()
			s := newDatabase(t).newHarness(t)
			d := newDraft()
			one, two := s.requestTwice(d, st, answered, answered)
			// Each finds no held room, and waits for the lock of its row before it writes.
			rows, err := s.db.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = rows.Rollback(context.WithoutCancel(t.Context())) })
			_, err = rows.Exec(t.Context(), `SELECT 1 FROM room_attempt WHERE class_id = $1 FOR UPDATE`, classID(d))
			if err != nil {
				t.Fatal(err)
			}
			one()
			two()
			s.eventually("both wait", func() bool {
				var n int
				err := s.db.QueryRow(t.Context(), `
					SELECT count(*) FROM pg_stat_activity
					WHERE datname = current_database() AND wait_event_type = 'Lock'
					AND query LIKE '%UPDATE room_attempt a SET room_id%'`).Scan(&n)
				return err == nil && n == 2
			})
			if err := rows.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.eventually("both are decided", func() bool { return s.countDecided(d, st.room) == 2 })
			s.assertEnd(s.create("run-1", d), d, step{}, end{})
			released, answers := s.countAttempts(classID(d), st.room, minigroup.AttemptReleased), s.callCount(answerAttempt)
			if released != 1 || answers > 3 {
				t.Errorf("%d rooms were released; the ledger received %d answers for three replies", released, answers)
			}
		})
	}
}

// countDecided counts the attempts of a kind that are answered or lost.
func (s *harness) countDecided(d minigroup.Draft, kind minigroup.RoomKind) int {
	s.Helper()
	n := 0
	for _, a := range s.attempts(classID(d)) {
		if a.Kind == kind && (a.RoomID != nil || a.State == minigroup.AttemptLost) {
			n++
		}
	}
	return n
}

func TestOneRunIsExecutedByTwoProcesses(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, f := range createPausePoints() {
		t.Run("one is paused "+f.String()+", the other creates the minigroup", func(t *testing.T) {
			t.Parallel()
			s, d := db.newHarness(t), newDraft()
			old := s.freezeCreate("run-1", d, f)
			s.expireRequests(d)
			p := s.create("run-1", d)
			old.resume()
			s.assertNoEffect(old.result())
			s.sweepUntilDone(d)
			s.assertEnd(p, d, step{}, end{})
		})
		t.Run("one is paused "+f.String()+", the other receives a cancel", func(t *testing.T) {
			t.Parallel()
			s, d := db.newHarness(t), newDraft()
			old := s.freezeCreate("run-1", d, f)
			p := s.create("run-1", d, cancelAtOnce)
			old.resume()
			old.result()
			s.sweepUntilDone(d)
			if f == (pausePoint{establish, true}) {
				s.assertEnd(p, d, step{}, end{}) // it was ready before the cancel
			} else {
				s.assertEnd(p, d, step{}, end{failed: minigroup.OperationCancelled, cancelled: true})
			}
		})
	}
	for _, f := range undoPausePoints() {
		t.Run("one is paused "+f.String()+", the other undoes everything", func(t *testing.T) {
			t.Parallel()
			s, d := db.newHarness(t), newDraft()
			s.script(conferenceCreate, s.refuseLast(d))
			old := s.freezeCreate("run-1", d, f)
			p := s.create("run-1", d, cancelAtOnce)
			old.resume()
			old.result()
			s.sweepUntilDone(d)
			m := s.assertConsistent(d)
			if m.State != minigroup.Failed || p.err == nil {
				t.Errorf("the minigroup is %s, the run ended with %v", m.State, p.err)
			}
		})
	}
	for _, f := range updatePausePoints() {
		t.Run("one is paused "+f.String()+", the other executes the update", func(t *testing.T) {
			t.Parallel()
			s, d, id := db.newHarness(t), newDraft(), uuid.New()
			s.createReady(d)
			change, want := extendBy(d, 10, 9)
			old := s.freezeUpdate("run-2", id, d, change, f)
			p := s.update("run-2", id, d, change)
			old.resume()
			s.assertNoEffect(old.result())
			s.lookUpIfDue(d)
			s.sweepUntilDone(d)
			s.assertUpdated(p, want, want.Time, "")
		})
	}
}
