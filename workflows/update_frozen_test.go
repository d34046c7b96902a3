package workflows_test

import (
	"testing"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
	"minigroups/workflows"
)

// extendBy adds minutes to the window and changes the slots. It returns the draft afterwards, too.
func extendBy(d minigroup.Draft, minutes int64, slots int32) (minigroup.Change, minigroup.Draft) {
	want := d
	want.Time.End, want.Reserve = new(*d.Time.End+60*minutes), new(slots)
	return minigroup.Change{Time: &want.Time, Reserve: &slots}, want
}

// assertShows checks that the row and conference have the values of this draft.
func (s *harness) assertShows(want minigroup.Draft) {
	s.Helper()
	m := s.assertConsistent(want)
	if fingerprint(m.Draft) != fingerprint(want) {
		s.Errorf("the row has %+v, want %+v", m.Draft, want)
	}
	room := s.conferenceState(m)
	patched := s.callCount(conferencePatch) > 0 && room.Time.End != nil
	if patched && !room.Time.Equal(want.Time) {
		s.Errorf("conference shows %+v, want %+v", room.Time, want.Time)
	}
}

func updatePausePoints() []pausePoint {
	return beforeAndAfter(readForUpdate, conferenceRead, beginUpdate, sendPatch, conferencePatch, commitUpdate)
}

// freezeUpdate runs an update in a process of its own and freezes the process.
func (s *harness) freezeUpdate(
	run string, id uuid.UUID, d minigroup.Draft, c minigroup.Change, f pausePoint,
) frozenWorker {
	s.Helper()
	g := newGate(s.T)
	settings := s.acts.Settings
	settings.StepWait = deadline
	acts := s.newProcess(settings)
	s.script(f.operation, f.behaviour(g))
	ended := inBackground(s, func() *result {
		return s.runIn(acts, run, workflows.UpdateMinigroup, workflows.UpdateInput{
			UpdateID: id, ClassID: classID(d), Change: stored.NewChange(c), MaxAttempts: maxAttempts,
		})
	})
	g.awaitReached(s.T)
	return frozenWorker{g.open, ended}
}

// isRunning reports whether the update has begun and is not decided.
func (s *harness) isRunning(id uuid.UUID) bool {
	rec, err := s.ledger.UpdateRecord(s.Context(), id)
	return err == nil && rec.State == minigroup.UpdateRunning
}

func TestWorkerFrozenDuringAnUpdate(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, f := range updatePausePoints() {
		start := func(t *testing.T) (
			s *harness, d minigroup.Draft, id uuid.UUID, change minigroup.Change, want minigroup.Draft, old frozenWorker,
		) {
			t.Helper()
			s, d, id = db.newHarness(t), newDraft(), uuid.New()
			s.createReady(d)
			change, want = extendBy(d, 10, 9)
			old = s.freezeUpdate("run-2", id, d, change, f)
			s.makeCurrent("run-3")
			return s, d, id, change, want, old
		}
		t.Run(f.String()+", resumes when another run has finished the update", func(t *testing.T) {
			t.Parallel()
			s, _, id, change, want, old := start(t)
			if p := s.update("run-3", id, want, change); p.err != nil {
				t.Fatal(p.err)
			}
			old.resume()
			s.assertNoEffect(old.result())
			s.sweepUntilDone(want)
			s.assertShows(want)
		})
		t.Run(f.String()+", resumes when another update is done", func(t *testing.T) {
			t.Parallel()
			s, d, _, _, _, old := start(t)
			change, want := extendBy(d, 20, 10)
			if p := s.update("run-3", uuid.New(), d, change); p.err != nil {
				t.Fatal(p.err)
			}
			old.resume()
			s.assertNoEffect(old.result())
			s.lookUpIfDue(d)
			s.sweepUntilDone(d)
			s.assertShows(want)
		})
		t.Run(f.String()+", resumes before another update commits", func(t *testing.T) {
			t.Parallel()
			s, d, id, _, _, old := start(t)
			change, want := extendBy(d, 20, 10)
			if s.isRunning(id) {
				s.script(commitUpdate, succeed) // of the update of run-2
			}
			s.script(commitUpdate, func(c call) error {
				old.resume()
				s.assertNoEffect(old.result())
				return executeDetached(c)
			})
			if p := s.update("run-3", uuid.New(), d, change); p.err != nil {
				t.Fatal(p.err)
			}
			s.lookUpIfDue(d)
			s.sweepUntilDone(d)
			s.assertShows(want)
		})
		if (f.operation == conferencePatch && f.after) || f.operation == commitUpdate {
			continue // conference has executed the PATCH and cannot refuse it
		}
		t.Run(f.String()+", resumes when conference has refused the update of another run", func(t *testing.T) {
			t.Parallel()
			s, d, id, change, _, old := start(t)
			s.script(conferencePatch, refused)
			if p := s.update("run-3", id, d, change); p.kind() != minigroup.UpstreamRefused {
				t.Fatalf("the run ended with %v", p.err)
			}
			old.resume()
			if p := old.result(); p.err == nil || (p.kind() != activities.Superseded && p.kind() != minigroup.UpstreamRefused) {
				t.Errorf("the run that was gone ended with %v", p.err)
			}
			s.lookUpIfDue(d)
			s.sweepUntilDone(d)
			s.assertShows(d)
		})
	}
}

func TestWorkerFrozenWhileItFailsAnUpdate(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	t.Run("that another run has finished", func(t *testing.T) {
		t.Parallel()
		s, d, id := db.newHarness(t), newDraft(), uuid.New()
		s.createReady(d)
		change, want := extendBy(d, 10, 9)
		s.script(conferencePatch, refused)
		old := s.freezeUpdate("run-2", id, d, change, pausePoint{failUpdate, false})
		s.makeCurrent("run-3")
		if p := s.update("run-3", id, d, change); p.err != nil {
			t.Fatal(p.err)
		}
		old.resume()
		s.assertNoEffect(old.result())
		s.assertShows(want)
	})
	t.Run("that another run is about to commit", func(t *testing.T) {
		t.Parallel()
		s, d, id := db.newHarness(t), newDraft(), uuid.New()
		s.createReady(d)
		change, want := extendBy(d, 10, 9)
		s.script(conferencePatch, refused)
		old := s.freezeUpdate("run-2", id, d, change, pausePoint{failUpdate, false})
		s.makeCurrent("run-3")
		s.script(commitUpdate, func(c call) error {
			old.resume()
			s.assertNoEffect(old.result())
			return executeDetached(c)
		})
		if p := s.update("run-3", id, d, change); p.err != nil {
			t.Fatal(p.err)
		}
		s.assertShows(want)
	})
	t.Run("that another update has decided before it succeeded", func(t *testing.T) {
		t.Parallel()
		s, d, id := db.newHarness(t), newDraft(), uuid.New()
		s.createReady(d)
		first, _ := extendBy(d, 10, 9)
		s.script(conferencePatch, refused)
		old := s.freezeUpdate("run-2", id, d, first, pausePoint{failUpdate, false})
		s.makeCurrent("run-3")
		change, want := extendBy(d, 20, 10)
		if p := s.update("run-3", uuid.New(), d, change); p.err != nil {
			t.Fatal(p.err)
		}
		old.resume()
		s.assertNoEffect(old.result())
		s.assertShows(want)
	})
	t.Run("that never began, while another update succeeded: the other is the last update", func(t *testing.T) {
		t.Parallel()
		s, d, id := db.newHarness(t), newDraft(), uuid.New()
		s.createReady(d)
		first, _ := extendBy(d, 10, 9)
		s.script(readForUpdate, refused)
		old := s.freezeUpdate("run-2", id, d, first, pausePoint{failUpdate, false})
		s.makeCurrent("run-3")
		change, want := extendBy(d, 20, 10)
		p := s.update("run-3", uuid.New(), d, change)
		old.resume()
		old.result()
		s.assertUpdated(p, want, want.Time, "")
	})
}
