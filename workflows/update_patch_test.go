package workflows_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
)

// decidedUpdates lists the decided updates of a class in the order of their decision.
func (s *harness) decidedUpdates(d minigroup.Draft) []uuid.UUID {
	s.Helper()
	rows, err := s.db.Query(s.Context(), `
		SELECT id FROM minigroup_update WHERE class_id = $1 AND state IN ('done', 'failed') ORDER BY decided_at`, classID(d))
	if err != nil {
		s.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		s.Fatal(err)
	}
	return ids
}

func TestUpdateRightAfterTheRunOfAnotherWasTerminated(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, c := range map[string]struct {
		// arrange scripts the PATCH of the terminated run, and then the calls of the second run.
		arrange func(s *harness)
		// first is the state of the update of the terminated run in the end.
		first minigroup.UpdateState
	}{
		"its PATCH is executed":     {func(s *harness) { s.script(conferencePatch, loseReply) }, minigroup.UpdateDone},
		"its PATCH is not executed": {func(s *harness) { s.script(conferencePatch, hang) }, minigroup.UpdateDone},
		"its PATCH is executed just before the room is read": {func(s *harness) {
			late := new(delayedCall)
			s.script(conferencePatch, late.behaviour)
			s.script(conferenceRead, succeed, func(c call) error { late.execute(s.T); return c.execute(c.ctx) })
		}, minigroup.UpdateDone},
		"its PATCH is executed just before the second one, which is refused": {func(s *harness) {
			late := new(delayedCall)
			s.script(conferencePatch, late.behaviour, func(c call) error { late.execute(s.T); return c.fail(refusal) })
		}, minigroup.UpdateDone},
		"its PATCH is executed, and the room cannot be read for a while": {func(s *harness) {
			s.script(conferencePatch, loseReply)
			s.script(conferenceRead, succeed, unavailable, refused)
		}, minigroup.UpdateDone},
		"its PATCH is not executed, and the second one is refused": {func(s *harness) {
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
			c.arrange(s)
			in := activities.UpdateInput{ID: first, ClassID: classID(d), Change: stored.NewChange(left)}
			if err := s.execute("run-2", s.acts.BeginUpdate, in); err != nil {
				t.Fatal(err)
			}
			if err := s.execute("run-2", s.acts.PatchConferenceRoom, activities.UpdateRef{ID: first}); err == nil {
				t.Fatal("the PATCH was answered")
			}
			s.makeCurrent("run-3")
			s.assertUpdated(s.update("run-3", second, d, change), want, want.Time, "")
			if rec, err := s.ledger.UpdateRecord(t.Context(), first); err != nil || rec.State != c.first {
				t.Errorf("the first update is %s, %v", rec.State, err)
			}
			if order := s.decidedUpdates(d); !slices.Equal(order, []uuid.UUID{first, second}) {
				t.Errorf("they were decided in the order %v, want %s first", order, first)
			}
		})
	}
}

func TestUpdateWithAnAnsweredPATCHNeedsNoLookUp(t *testing.T) {
	t.Parallel()
	s, d := newDatabase(t).newHarness(t), newDraft()
	s.createReady(d)
	change, want := extendBy(d, 10, 9)
	s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, "")
	if s.hasPATCHToLookFor(d) {
		t.Error("a look-up is due, although its only PATCH was answered")
	}
}

func TestTwoProcessesFindTheSameUnansweredPATCH(t *testing.T) {
	t.Parallel()
	s, d, id := newDatabase(t).newHarness(t), newDraft(), uuid.New()
	s.createReady(d)
	change, want := extendBy(d, 10, 9)
	patch := func() error { return s.execute("run-2", s.acts.PatchConferenceRoom, activities.UpdateRef{ID: id}) }
	in := activities.UpdateInput{ID: id, ClassID: classID(d), Change: stored.NewChange(change)}
	if err := s.execute("run-2", s.acts.BeginUpdate, in); err != nil {
		t.Fatal(err)
	}
	s.script(conferencePatch, hang) // past its deadline
	if err := patch(); err == nil {
		t.Fatal("the PATCH was answered")
	}
	s.acts.Settings.StepWait, s.acts.Settings.RequestTimeout = deadline, deadline
	slow, inFlight := newGate(t), newGate(t)
	s.script(conferenceRead, slow.after)
	s.script(conferencePatch, inFlight.before)
	first := inBackground(s, patch) // paused after it has read the room
	slow.awaitReached(t)
	second := inBackground(s, patch) // has read the room and sent another PATCH
	inFlight.awaitReached(t)
	sent := s.callCount(conferencePatch)
	slow.open()
	err := first()
	if _, final, _ := activities.FailureOf(err); err == nil || final {
		t.Errorf("the first step is not retried after a pause but returned %v", err)
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
