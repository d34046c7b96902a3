package workflows_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
	"minigroups/workflows"
)

// longer asks for so many more minutes and for other slots, and tells what the draft becomes by that.
func extendBy(d minigroup.Draft, minutes int64, slots int32) (minigroup.Change, minigroup.Draft) {
	want := d
	want.Time.End, want.Reserve = new(*d.Time.End+60*minutes), new(slots)
	return minigroup.Change{Time: &want.Time, Reserve: &slots}, want
}

// tells checks that the row tells of this draft and conference of no other.
func (s *harness) assertShows(want minigroup.Draft) {
	s.Helper()
	m := s.assertConsistent(want)
	if fingerprint(m.Draft) != fingerprint(want) {
		s.Errorf("the row has %+v, want %+v", m.Draft, want)
	}
	room := s.conferenceState(m)
	if never := s.callCount(conferencePatch) == 0 || room.Time.End == nil; !never && !room.Time.Equal(want.Time) {
		s.Errorf("conference shows %+v, want %+v", room.Time, want.Time)
	}
}

// comparisonIsNoted reports whether a PATCH of the class went unanswered and is to be looked for once more.
func (s *harness) comparisonIsNoted(d minigroup.Draft) (noted bool) {
	s.Helper()
	err := s.db.QueryRow(s.Context(), `SELECT EXISTS (SELECT 1 FROM minigroup_update WHERE class_id = $1 AND compare_at IS NOT NULL)`, classID(d)).Scan(&noted)
	if err != nil {
		s.Fatal(err)
	}
	return noted
}

// compareIfNoted runs the comparison where one is noted.
func (s *harness) compareIfNoted(run string, d minigroup.Draft) {
	s.Helper()
	if !s.comparisonIsNoted(d) {
		return
	}
	s.makeCurrent(run)
	if p := s.compare(run, d); p.err != nil {
		s.Error(p.err)
	}
}

func updatePausePoints() []pausePoint {
	return beforeAndAfter(takeForUpdate, conferenceRead, beginUpdate, sendPatch, conferencePatch, commitUpdate)
}

// freezeUpdate has a process of its own update a minigroup and freezes it.
func (s *harness) freezeUpdate(run string, id uuid.UUID, d minigroup.Draft, c minigroup.Change, f pausePoint) frozenWorker {
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

// undecided reports whether the ledger knows of the update as one that has begun.
func (s *harness) isRunning(id uuid.UUID) bool {
	rec, err := s.ledger.UpdateRecord(s.Context(), id)
	return err == nil && rec.State == minigroup.UpdateRunning
}

func TestAWorkerThatWasFrozenDuringAnUpdate(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, f := range updatePausePoints() {
		start := func(t *testing.T) (s *harness, d minigroup.Draft, id uuid.UUID, change minigroup.Change, want minigroup.Draft, old frozenWorker) {
			t.Helper()
			s, d, id = db.newHarness(t), newDraft(), uuid.New()
			s.createReady(d)
			change, want = extendBy(d, 10, 9)
			old = s.freezeUpdate("run-2", id, d, change, f)
			s.makeCurrent("run-3")
			return s, d, id, change, want, old
		}
		t.Run(f.String()+", goes on when another run has finished the update", func(t *testing.T) {
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
		t.Run(f.String()+", goes on when another update is done", func(t *testing.T) {
			t.Parallel()
			s, d, _, _, _, old := start(t)
			change, want := extendBy(d, 20, 10)
			if p := s.update("run-3", uuid.New(), d, change); p.err != nil {
				t.Fatal(p.err)
			}
			old.resume()
			s.assertNoEffect(old.result())
			s.compareIfNoted("run-4", d)
			s.sweepUntilDone(d)
			s.assertShows(want)
		})
		t.Run(f.String()+", goes on before another update commits", func(t *testing.T) {
			t.Parallel()
			s, d, id, _, _, old := start(t)
			change, want := extendBy(d, 20, 10)
			if s.isRunning(id) {
				s.script(commitUpdate, succeed) // of the update that was left
			}
			s.script(commitUpdate, func(c call) error {
				old.resume()
				s.assertNoEffect(old.result())
				return executeDetached(c)
			})
			if p := s.update("run-3", uuid.New(), d, change); p.err != nil {
				t.Fatal(p.err)
			}
			s.compareIfNoted("run-4", d)
			s.sweepUntilDone(d)
			s.assertShows(want)
		})
		if (f.operation == conferencePatch && f.after) || f.operation == commitUpdate {
			continue // conference has agreed: it is not refused any more
		}
		t.Run(f.String()+", goes on when conference has refused the update of another run", func(t *testing.T) {
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
			s.compareIfNoted("run-4", d)
			s.sweepUntilDone(d)
			s.assertShows(d)
		})
	}
}

func TestAWorkerThatWasFrozenWhenItGaveAnUpdateUp(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	t.Run("which another run has finished", func(t *testing.T) {
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
	t.Run("which another run is about to commit", func(t *testing.T) {
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
	t.Run("and another update, that settled it first, is done", func(t *testing.T) {
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
	t.Run("which never began, and another update is done: that is the last one", func(t *testing.T) {
		t.Parallel()
		s, d, id := db.newHarness(t), newDraft(), uuid.New()
		s.createReady(d)
		first, _ := extendBy(d, 10, 9)
		s.script(takeForUpdate, refused)
		old := s.freezeUpdate("run-2", id, d, first, pausePoint{failUpdate, false})
		s.makeCurrent("run-3")
		change, want := extendBy(d, 20, 10)
		p := s.update("run-3", uuid.New(), d, change)
		old.resume()
		old.result()
		s.assertUpdated(p, want, want.Time, "")
	})
}

// decidedUpdates lists the updates of a class that are decided, the earliest first.
func (s *harness) decidedUpdates(d minigroup.Draft) []uuid.UUID {
	s.Helper()
	rows, err := s.db.Query(s.Context(), `SELECT id FROM minigroup_update WHERE class_id = $1 AND state IN ('done', 'failed') ORDER BY decided_at`, classID(d))
	if err != nil {
		s.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		s.Fatal(err)
	}
	return ids
}

func TestAPUTAtOnceAfterTheRunOfAnotherWasTerminated(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, c := range map[string]struct {
		// sent says how the PATCH of the terminated run goes, and then what the second run meets.
		sent func(s *harness)
		left minigroup.UpdateState
	}{
		"its PATCH arrived":        {func(s *harness) { s.script(conferencePatch, loseReply) }, minigroup.UpdateDone},
		"its PATCH did not arrive": {func(s *harness) { s.script(conferencePatch, hang) }, minigroup.UpdateDone},
		"its PATCH is executed just before the room is read": {func(s *harness) {
			late := new(delayedCall)
			s.script(conferencePatch, late.behaviour)
			s.script(conferenceRead, succeed, func(c call) error { late.execute(s.T); return c.execute(c.ctx) })
		}, minigroup.UpdateDone},
		"its PATCH is executed just before its repeat, which is refused": {func(s *harness) {
			late := new(delayedCall)
			s.script(conferencePatch, late.behaviour, func(c call) error { late.execute(s.T); return c.fail(refusal) })
		}, minigroup.UpdateDone},
		"its PATCH is executed, and the room cannot be read for a while": {func(s *harness) {
			s.script(conferencePatch, loseReply)
			s.script(conferenceRead, succeed, unavailable, refused)
		}, minigroup.UpdateDone},
		"its PATCH did not arrive, and its repeat is refused": {func(s *harness) {
			s.script(conferencePatch, hang, refused)
		}, minigroup.UpdateFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, d := db.newHarness(t), newDraft()
			s.createReady(d)
			first, second := uuid.New(), uuid.New()
			left, _ := extendBy(d, 10, 9)
			change, want := extendBy(d, 20, 10)
			c.sent(s)
			if err := s.execute("run-2", s.acts.BeginUpdate, activities.UpdateInput{ID: first, ClassID: classID(d), Change: stored.NewChange(left)}); err != nil {
				t.Fatal(err)
			}
			if err := s.execute("run-2", s.acts.PatchConferenceRoom, activities.UpdateRef{ID: first}); err == nil {
				t.Fatal("the PATCH was answered")
			}
			s.makeCurrent("run-3")
			s.assertUpdated(s.update("run-3", second, d, change), want, want.Time, "")
			if rec, err := s.ledger.UpdateRecord(t.Context(), first); err != nil || rec.State != c.left {
				t.Errorf("the update that was left is %s, %v", rec.State, err)
			}
			if order := s.decidedUpdates(d); !slices.Equal(order, []uuid.UUID{first, second}) {
				t.Errorf("they were decided in the order %v, want %s first", order, first)
			}
		})
	}
}

func TestAnUpdateWhosePATCHIsAnsweredIsNotCompared(t *testing.T) {
	t.Parallel()
	s, d := newDatabase(t).newHarness(t), newDraft()
	s.createReady(d)
	change, want := extendBy(d, 10, 9)
	s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, "")
	if s.comparisonIsNoted(d) {
		t.Error("it is to be compared, although its only PATCH was answered")
	}
}

func TestTwoProcessesFindThatTheSamePATCHWentUnanswered(t *testing.T) {
	t.Parallel()
	s, d, id := newDatabase(t).newHarness(t), newDraft(), uuid.New()
	s.createReady(d)
	change, want := extendBy(d, 10, 9)
	patch := func() error { return s.execute("run-2", s.acts.PatchConferenceRoom, activities.UpdateRef{ID: id}) }
	if err := s.execute("run-2", s.acts.BeginUpdate, activities.UpdateInput{ID: id, ClassID: classID(d), Change: stored.NewChange(change)}); err != nil {
		t.Fatal(err)
	}
	s.script(conferencePatch, hang) // for longer than its moment
	if err := patch(); err == nil {
		t.Fatal("the PATCH was answered")
	}
	s.acts.Settings.StepWait, s.acts.Settings.RequestTimeout = deadline, deadline
	slow, inFlight := newGate(t), newGate(t)
	s.script(conferenceRead, slow.after)
	s.script(conferencePatch, inFlight.before)
	first := inBackground(s, patch) // has read the room and stands still
	slow.awaitReached(t)
	second := inBackground(s, patch) // has read it too, and has sent another
	inFlight.awaitReached(t)
	sent := s.callCount(conferencePatch)
	slow.open()
	err := first()
	if _, final, _ := activities.FailureOf(err); err == nil || final {
		t.Errorf("the first is not told to come again later but %v", err)
	}
	if n := s.callCount(conferencePatch); n != sent {
		t.Errorf("%d more PATCHes were sent while one was in flight", n-sent)
	}
	inFlight.open()
	if err := second(); err != nil {
		t.Error(err)
	}
	s.assertUpdated(s.update("run-2", id, d, change), want, want.Time, "")
}
