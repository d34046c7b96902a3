package workflows_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
)

// lookUp makes a look-up of the class due, sweeps, and waits for the repair if one was started.
func (r *fakeTemporal) lookUp() activities.SweptClasses {
	r.Helper()
	r.lookUpDue = true
	swept := r.sweep()
	r.awaitRecoveries()
	return swept
}

// mustRepair checks that a look-up starts a repair, and that the next one looks whether it has succeeded.
func (r *fakeTemporal) mustRepair(d minigroup.Draft) {
	r.Helper()
	if swept := r.lookUp(); swept.Repairing != 1 || swept.Ended != 0 || !r.hasPATCHToLookFor(d) {
		r.Errorf("the look-up returned %+v; another is due: %v", swept, r.hasPATCHToLookFor(d))
	}
}

// settled checks that minigroup and conference agree: a look-up finds nothing to repair, and is the last.
func (r *fakeTemporal) settled(d minigroup.Draft) {
	r.Helper()
	patches := r.callCount(conferencePatch)
	swept := r.lookUp()
	if n := r.callCount(conferencePatch) - patches; n != 0 || swept.Repairing != 0 || r.hasPATCHToLookFor(d) {
		r.Errorf("the look-up returned %+v and sent %d PATCHes; another is due: %v", swept, n, r.hasPATCHToLookFor(d))
	}
}

// hasPATCHToLookFor reports whether a PATCH of the class went unanswered and is to be looked for.
func (s *harness) hasPATCHToLookFor(d minigroup.Draft) (has bool) {
	s.Helper()
	err := s.db.QueryRow(s.Context(), `
		SELECT EXISTS (SELECT 1 FROM minigroup_update WHERE class_id = $1 AND look_up_at IS NOT NULL)`,
		classID(d)).Scan(&has)
	if err != nil {
		s.Fatal(err)
	}
	return has
}

// lookUpIfDue looks the class up if a PATCH of it went unanswered.
func (s *harness) lookUpIfDue(d minigroup.Draft) {
	s.Helper()
	if s.hasPATCHToLookFor(d) {
		(&fakeTemporal{harness: s, class: classID(d)}).lookUp()
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
		r := &fakeTemporal{harness: s, class: classID(d)}
		s.createReady(d)
		first, _ := wanting(d, *d.Time.End+600)
		second, want := wanting(d, *d.Time.End+1200)
		s.script(conferencePatch, late.behaviour)
		if p := s.update("run-2", uuid.New(), d, first); p.err != nil {
			t.Fatal(p.err)
		}
		s.assertUpdated(s.update("run-3", uuid.New(), d, second), want, want.Time, "")
		late.execute(t)
		r.mustRepair(d)
		s.assertUpdated(&result{}, want, want.Time, "")
		r.settled(d)
	})
	t.Run("is reverted when its run was terminated and another update followed at once", func(t *testing.T) {
		t.Parallel()
		s, d, late := db.newHarness(t), newDraft(), new(delayedCall)
		r := &fakeTemporal{harness: s, class: classID(d)}
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
		r.mustRepair(d)
		s.assertUpdated(&result{}, want, want.Time, "")
		r.settled(d)
	})
	t.Run("is adopted when conference does not revert it", func(t *testing.T) {
		t.Parallel()
		s, d, late := db.newHarness(t), newDraft(), new(delayedCall)
		r := &fakeTemporal{harness: s, class: classID(d)}
		d.Host = "teacher" // a minigroup can be created with any name, but conference accepts agent ids only
		s.createReady(d)
		s.script(conferencePatch, late.behaviour, refused) // the second PATCH is refused, and the first is not executed yet
		p := s.update("run-2", uuid.New(), d, minigroup.Change{Host: new(newHost)})
		if p.kind() != minigroup.UpstreamRefused {
			t.Fatalf("the run ended with %v", p.err)
		}
		late.execute(t)
		r.mustRepair(d)
		if m := s.assertConsistent(d); m.Host != newHost || s.conferenceState(m).Host != newHost {
			t.Errorf("the minigroup has host %q, conference %q", m.Host, s.conferenceState(m).Host)
		}
		r.settled(d)
	})
	t.Run("ends the class when it has closed the room", func(t *testing.T) {
		t.Parallel()
		s, d, late := db.newHarness(t), newDraft(), new(delayedCall)
		r := &fakeTemporal{harness: s, class: classID(d)}
		s.createReady(d)
		s.script(conferencePatch, late.behaviour, refused)
		over := minigroup.Window{Start: d.Time.Start, End: new(time.Now().Unix() - 1)}
		if p := s.update("run-2", uuid.New(), d, minigroup.Change{Time: &over}); p.kind() != minigroup.UpstreamRefused {
			t.Fatalf("the run ended with %v", p.err)
		}
		late.execute(t)
		if swept := r.lookUp(); swept.Repairing != 0 || s.hasPATCHToLookFor(d) {
			t.Errorf("the look-up returned %+v", swept)
		}
		if err := s.sweepGateways(classID(d)); err != nil {
			t.Error(err)
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
		r := &fakeTemporal{harness: s, class: classID(d)}
		s.createReady(d)
		change, want := changeAll(d)
		s.script(conferencePatch, late.behaviour)
		s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
		r.settled(d)
		s.assertUpdated(&result{}, want, want.Time, newHost)
	})
	t.Run("is looked for again an hour later when conference cannot be read", func(t *testing.T) {
		t.Parallel()
		s, d, late := db.newHarness(t), newDraft(), new(delayedCall)
		r := &fakeTemporal{harness: s, class: classID(d)}
		s.createReady(d)
		change, want := changeAll(d)
		s.script(conferencePatch, late.behaviour)
		s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
		s.script(conferenceRead, unavailable)
		r.lookUpDue = true
		if swept := r.trySweep(); swept.Failed != 1 || swept.Repairing != 0 {
			t.Fatalf("the look-up returned %+v", swept)
		}
		s.assertUpdated(&result{}, want, want.Time, newHost)
		var soon bool
		err := s.db.QueryRow(t.Context(), `
			SELECT look_up_at < now() + interval '59 minutes' FROM minigroup_update
			WHERE class_id = $1 AND look_up_at IS NOT NULL`, classID(d)).Scan(&soon)
		if err != nil || soon {
			t.Errorf("another look-up is due in less than an hour, or none: %v", err)
		}
		r.settled(d)
	})
	t.Run("is not repaired when another update was committed since the look-up", func(t *testing.T) {
		t.Parallel()
		s, d, late := db.newHarness(t), newDraft(), new(delayedCall)
		r := &fakeTemporal{harness: s, class: classID(d), lookUpDue: true}
		s.createReady(d)
		first, _ := wanting(d, *d.Time.End+600)
		second, want := wanting(d, *d.Time.End+1200)
		s.script(conferencePatch, late.behaviour, refused)
		if p := s.update("run-2", uuid.New(), d, first); p.kind() != minigroup.UpstreamRefused {
			t.Fatalf("the run ended with %v", p.err)
		}
		late.execute(t)
		read := newGate(t)
		s.script(conferenceRead, read.after)
		sweep := inBackground(s, r.sweep)
		read.awaitReached(t)
		s.assertUpdated(s.update("run-3", uuid.New(), d, second), want, want.Time, "")
		read.open()
		if swept := sweep(); swept.Repairing != 1 {
			t.Fatalf("the look-up returned %+v", swept)
		}
		r.awaitNoOpenRun()
		if p := r.recovering[0](); p.kind() != minigroup.PreconditionFailed {
			t.Errorf("the repair ended with %v", p.err)
		}
		s.assertUpdated(&result{}, want, want.Time, "")
		r.recovering = nil
		r.settled(d)
	})
}
