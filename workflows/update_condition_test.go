package workflows_test

import (
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestUpdateOnACondition(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	t.Run("is done where the minigroup is at that revision", func(t *testing.T) {
		t.Parallel()
		s := db.stage(t)
		d := newDraft()
		before := s.established(d)
		change, want := newValues(d)
		change.Revision = &before.Revision
		s.became(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
	})
	t.Run("is refused where it was changed meanwhile, and leaves no trace", func(t *testing.T) {
		t.Parallel()
		s := db.stage(t)
		d := newDraft()
		before := s.established(d)
		first, want := newValues(d)
		s.became(s.update("run-2", uuid.New(), d, first), want, want.Time, newHost)
		second := minigroup.Change{Host: new("late.host.example.org"), Revision: &before.Revision}
		if p := s.update("run-3", uuid.New(), d, second); p.kind() != minigroup.PreconditionFailed {
			t.Errorf("the run ended with %v", p.err)
		}
		after := s.holds(want)
		if after.Update != nil || after.Host != newHost || s.shown(after).Host != newHost {
			t.Errorf("got %+v", after)
		}
	})
	t.Run("goes on when its own beginning was lost on the way", func(t *testing.T) {
		t.Parallel()
		s := db.stage(t)
		d := newDraft()
		before := s.established(d)
		change, want := newValues(d)
		change.Revision = &before.Revision
		s.tell(beginUpdate, lost)
		s.became(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
	})
}
