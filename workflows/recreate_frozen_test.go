package workflows_test

import (
	"testing"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/workflows"
)

func recreatePausePoints() []pausePoint {
	return beforeAndAfter(readForUpdate, beginRecreate, eventCreate, conferenceCreate, answerAttempt, eventLock,
		roomLocked, conferenceRead, swapRooms)
}

// freezeRecreate runs a recreate in a process of its own and freezes the process.
func (s *harness) freezeRecreate(run string, d minigroup.Draft, f pausePoint) frozenWorker {
	s.Helper()
	g := newGate(s.T)
	settings := s.acts.Settings
	settings.StepWait = deadline
	acts := s.newProcess(settings)
	s.script(f.operation, f.behaviour(g))
	ended := inBackground(s, func() *result {
		return s.runIn(acts, run, workflows.RecreateMinigroup, recreateInput(uuid.New(), d, minigroup.Change{}))
	})
	g.awaitReached(s.T)
	return frozenWorker{g.open, ended}
}

func TestWorkerFrozenDuringARecreate(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, f := range recreatePausePoints() {
		start := func(t *testing.T) (s *harness, before minigroup.Minigroup, old frozenWorker) {
			t.Helper()
			s = db.newHarness(t)
			before = s.createReady(newDraft())
			return s, before, s.freezeRecreate("run-2", before.Draft, f)
		}
		t.Run(f.String()+", resumes when the sweeper has recovered it", func(t *testing.T) {
			t.Parallel()
			s, before, old := start(t)
			// The sweeper does not know a run that has written nothing yet. That run continues to its end.
			renewed := f == pausePoint{beginRecreate, false} || s.hasNewRooms(before)
			r := &fakeTemporal{harness: s, class: before.ID}
			s.makeCurrent("run-3") // run-2 is gone
			r.sweep()
			r.awaitRecoveries()
			old.resume()
			s.assertNoEffect(old.result())
			s.assertRooms(before, renewed)
		})
		t.Run(f.String()+", resumes when another recreate is done", func(t *testing.T) {
			t.Parallel()
			s, before, old := start(t)
			s.makeCurrent("run-3")
			if p := s.recreate("run-3", uuid.New(), before.Draft, minigroup.Change{}); p.err != nil {
				t.Fatal(p.err)
			}
			done, err := s.ledger.ByID(t.Context(), before.ID)
			if err != nil {
				t.Fatal(err)
			}
			old.resume()
			s.assertNoEffect(old.result())
			s.assertRooms(before, true)
			s.assertRooms(done, false)
		})
		t.Run(f.String()+", resumes before another recreate swaps", func(t *testing.T) {
			t.Parallel()
			s, before, old := start(t)
			s.makeCurrent("run-3")
			s.script(swapRooms, func(c call) error {
				old.resume()
				s.assertNoEffect(old.result())
				return executeDetached(c)
			})
			if p := s.recreate("run-3", uuid.New(), before.Draft, minigroup.Change{}); p.err != nil {
				t.Fatal(p.err)
			}
			s.assertRooms(before, true)
		})
		t.Run(f.String()+", resumes when an update is done", func(t *testing.T) {
			t.Parallel()
			s, before, old := start(t)
			swapped := s.hasNewRooms(before)
			s.makeCurrent("run-3")
			change, want := extendBy(before.Draft, 10, 9)
			if p := s.update("run-3", uuid.New(), before.Draft, change); p.err != nil {
				t.Fatal(p.err)
			}
			old.resume()
			s.assertNoEffect(old.result())
			s.assertRooms(before, swapped)
			s.assertShows(want)
		})
	}
}

func TestLateReplyToARecreate(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	recreateAgain := func(s *harness, d minigroup.Draft) {
		if p := s.recreate("run-3", uuid.New(), d, minigroup.Change{}); p.err != nil {
			s.Error(p.err)
		}
	}
	for _, st := range []step{recreateSteps[1], recreateSteps[3]} {
		for name, c := range map[string]struct {
			arrange func(s *harness, id uuid.UUID, d minigroup.Draft, answer func())
			swaps   bool
		}{
			"when the recreate has failed": {func(s *harness, id uuid.UUID, d minigroup.Draft, answer func()) {
				in := recreateInput(id, d, minigroup.Change{})
				in.Abandoned = true
				if p := s.run("run-3", workflows.RecreateMinigroup, in); p.err != nil {
					s.Error(p.err)
				}
				answer()
			}, false},
			"when another recreate is done": {func(s *harness, _ uuid.UUID, d minigroup.Draft, answer func()) {
				recreateAgain(s, d)
				answer()
			}, true},
			"before another recreate swaps": {func(s *harness, _ uuid.UUID, d minigroup.Draft, answer func()) {
				s.script(swapRooms, func(c call) error {
					answer()
					s.awaitReplies(d, st.room, 3)
					return executeDetached(c)
				})
				recreateAgain(s, d)
			}, true},
		} {
			t.Run(st.name+": "+name, func(t *testing.T) {
				t.Parallel()
				s, d, id := db.newHarness(t), newDraft(), uuid.New()
				before := s.createReady(d)
				in := recreateInput(id, d, minigroup.Change{})
				ref := activities.UpdateInput{ID: id, ClassID: classID(d), Change: in.Change}
				if err := s.execute("run-2", s.acts.BeginRecreate, ref); err != nil {
					t.Fatal(err)
				}
				reply := newGate(t)
				s.script(st.operation, reply.after)
				room := roomInput(d, s.newestAttempt(d, st.room))
				room.Operation, room.Fingerprint = minigroup.ForRecreate, id.String()
				inBackground(s, func() error { return s.execute("run-2", s.createRoom(s.acts, st), room) })
				reply.awaitReached(t)
				s.makeCurrent("run-3")
				c.arrange(s, id, d, reply.open)
				s.assertRooms(before, c.swaps)
				if n := s.countAttempts(classID(d), st.room, minigroup.AttemptReleased); (n == 2) != c.swaps {
					t.Errorf("%d rooms were released", n)
				}
			})
		}
	}
}
