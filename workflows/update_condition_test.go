package workflows_test

import (
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestConditionalUpdate(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	t.Run("is done when the minigroup is at that revision", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		before := s.createReady(d)
		change, want := changeAll(d)
		change.Revision = &before.Revision
		s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
	})
	t.Run("is refused when the minigroup was changed meanwhile, and is not shown", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		before := s.createReady(d)
		first, want := changeAll(d)
		s.assertUpdated(s.update("run-2", uuid.New(), d, first), want, want.Time, newHost)
		second := minigroup.Change{Host: new("late.host.example.org"), Revision: &before.Revision}
		if p := s.update("run-3", uuid.New(), d, second); p.kind() != minigroup.PreconditionFailed {
			t.Errorf("the run ended with %v", p.err)
		}
		after := s.assertConsistent(want)
		if after.Update != nil || after.Host != newHost || s.conferenceState(after).Host != newHost {
			t.Errorf("got %+v", after)
		}
	})
	t.Run("continues when the reply to its begin was lost", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		before := s.createReady(d)
		change, want := changeAll(d)
		change.Revision = &before.Revision
		s.script(beginUpdate, loseReply)
		s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
	})
}
