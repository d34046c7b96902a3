package workflows_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
)

// compare runs the comparison that is due, as the sweeper does.
func (s *harness) compare(run string, d minigroup.Draft) *result {
	s.Helper()
	_, err := s.db.Exec(s.Context(), `
		UPDATE minigroup_update SET compare_at = now() WHERE class_id = $1 AND compare_at IS NOT NULL`, classID(d))
	if err != nil {
		s.Fatal(err)
	}
	if !s.comparisonIsDue(d) {
		s.Fatal("no comparison is due")
	}
	return s.update(run, uuid.New(), d, minigroup.Change{})
}

func (s *harness) comparisonIsDue(d minigroup.Draft) bool {
	s.Helper()
	due, err := s.ledger.DueComparisons(s.Context(), 1000)
	if err != nil {
		s.Fatal(err)
	}
	for _, saga := range due {
		if saga.ClassID == classID(d) && saga.Change.Empty() && saga.UpdateID != uuid.Nil {
			return true
		}
	}
	return false
}

// settled checks that row and conference agree from now on: the next comparison finds nothing and is the last.
func (s *harness) settled(d minigroup.Draft) {
	s.Helper()
	patches := s.callCount(conferencePatch)
	if p := s.compare("run-compared-again", d); p.err != nil {
		s.Error(p.err)
	}
	if n := s.callCount(conferencePatch) - patches; n != 0 || s.comparisonIsDue(d) {
		s.Errorf("the second comparison sent %d PATCHes; another is due: %v", n, s.comparisonIsDue(d))
	}
}

func TestPATCHExecutedAfterItsUpdateWasDecided(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	wanting := func(d minigroup.Draft, end int64) (minigroup.Change, minigroup.Draft) {
		want := d
		want.Time.End = &end
		return minigroup.Change{Time: &want.Time}, want
	}
	t.Run("is reverted when another update has followed", func(t *testing.T) {
		t.Parallel()
		s, d, late := db.newHarness(t), newDraft(), new(delayedCall)
		s.createReady(d)
		first, _ := wanting(d, *d.Time.End+600)
		second, want := wanting(d, *d.Time.End+1200)
		s.script(conferencePatch, late.behaviour)
		if p := s.update("run-2", uuid.New(), d, first); p.err != nil {
			t.Fatal(p.err)
		}
		s.assertUpdated(s.update("run-3", uuid.New(), d, second), want, want.Time, "")
		late.execute(t)
		s.assertUpdated(s.compare("run-4", d), want, want.Time, "")
		s.settled(d)
	})
	t.Run("is reverted when its run was terminated and another update followed at once", func(t *testing.T) {
		t.Parallel()
		s, d, late := db.newHarness(t), newDraft(), new(delayedCall)
		s.createReady(d)
		first, _ := wanting(d, *d.Time.End+600)
		second, want := wanting(d, *d.Time.End+1200)
		left := uuid.New()
		s.script(conferencePatch, late.behaviour)
		in := activities.UpdateInput{ID: left, ClassID: classID(d), Change: stored.NewChange(first)}
		if err := s.execute("run-2", s.acts.BeginUpdate, in); err != nil {
			t.Fatal(err)
		}
		if err := s.execute("run-2", s.acts.PatchConferenceRoom, activities.UpdateRef{ID: left}); err == nil {
			t.Fatal("an unanswered PATCH was taken for agreement")
		}
		s.assertUpdated(s.update("run-3", uuid.New(), d, second), want, want.Time, "")
		late.execute(t)
		s.assertUpdated(s.compare("run-4", d), want, want.Time, "")
		s.settled(d)
	})
	t.Run("is adopted when conference does not revert it", func(t *testing.T) {
		t.Parallel()
		s, d, late := db.newHarness(t), newDraft(), new(delayedCall)
		d.Host = "teacher" // a minigroup can be created with any name, but conference accepts agent ids only
		s.createReady(d)
		s.script(conferencePatch, late.behaviour, refused) // the second PATCH is refused, and the first is not executed yet
		p := s.update("run-2", uuid.New(), d, minigroup.Change{Host: new(newHost)})
		if p.kind() != minigroup.UpstreamRefused {
			t.Fatalf("the run ended with %v", p.err)
		}
		late.execute(t)
		if p := s.compare("run-3", d); p.err != nil {
			t.Fatal(p.err)
		}
		if m := s.assertConsistent(d); m.Host != newHost || s.conferenceState(m).Host != newHost {
			t.Errorf("the minigroup has host %q, conference %q", m.Host, s.conferenceState(m).Host)
		}
		s.settled(d)
	})
	t.Run("ends the class when it has closed the room", func(t *testing.T) {
		t.Parallel()
		s, d, late := db.newHarness(t), newDraft(), new(delayedCall)
		s.createReady(d)
		s.script(conferencePatch, late.behaviour, refused)
		over := minigroup.Window{Start: d.Time.Start, End: new(time.Now().Unix() - 1)}
		if p := s.update("run-2", uuid.New(), d, minigroup.Change{Time: &over}); p.kind() != minigroup.UpstreamRefused {
			t.Fatalf("the run ended with %v", p.err)
		}
		late.execute(t)
		if p := s.compare("run-3", d); p.err != nil {
			t.Fatal(p.err)
		}
		m, err := s.ledger.ByID(t.Context(), classID(d))
		if err != nil || m.ClosedAt.IsZero() {
			t.Errorf("got %+v, %v", m, err)
		}
		if e := s.takeSnapshot(); len(e.gateways) != 0 {
			t.Errorf("slots are held: %v", e)
		}
	})
	t.Run("when it is not executed at all, no PATCH is sent and nothing is shown", func(t *testing.T) {
		t.Parallel()
		s, d, late := db.newHarness(t), newDraft(), new(delayedCall)
		s.createReady(d)
		change, want := changeAll(d)
		s.script(conferencePatch, late.behaviour)
		s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
		s.settled(d)
		s.assertUpdated(&result{}, want, want.Time, newHost)
	})
	t.Run("is looked for again an hour later when conference cannot be read", func(t *testing.T) {
		t.Parallel()
		s, d, late := db.newHarness(t), newDraft(), new(delayedCall)
		s.createReady(d)
		change, want := changeAll(d)
		s.script(conferencePatch, late.behaviour)
		s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
		s.script(conferenceRead, times(1+maxAttempts, unavailable)...)
		if p := s.compare("run-3", d); p.kind() != minigroup.UpstreamUnavailable {
			t.Fatalf("the run ended with %v", p.err)
		}
		s.assertUpdated(&result{}, want, want.Time, newHost) // a comparison is not shown
		if s.comparisonIsDue(d) {
			t.Error("another comparison is due at once")
		}
		s.settled(d)
	})
}
