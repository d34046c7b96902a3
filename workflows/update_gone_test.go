package workflows_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
)

func TestUpdateWhoseRunIsGone(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	// leave begins an update in run-2 and, unless patch is nil, sends its PATCH. Then run-2 is gone.
	leave := func(t *testing.T, s *harness, id uuid.UUID, d minigroup.Draft, patch behaviour) {
		t.Helper()
		left := minigroup.Change{Time: extended(d), Reserve: new(int32(9))}
		in := activities.UpdateInput{ID: id, ClassID: classID(d), Change: stored.NewChange(left)}
		if err := s.execute("run-2", s.acts.BeginUpdate, in); err != nil {
			t.Fatal(err)
		}
		if patch == nil {
			return
		}
		s.script(conferencePatch, patch)
		if err := s.execute("run-2", s.acts.PatchConferenceRoom, activities.UpdateRef{ID: id}); err == nil {
			t.Fatal("the PATCH was answered")
		}
	}
	for name, patch := range map[string]behaviour{
		"before its PATCH": nil, "after a PATCH that was executed": loseReply, "after a PATCH that was not executed": hang,
	} {
		t.Run("left "+name+", the same update finishes it", func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			d := newDraft()
			s.createReady(d)
			id := uuid.New()
			leave(t, s, id, d, patch)
			want := d
			want.Time, want.Reserve = *extended(d), new(int32(9))
			p := s.update("run-3", id, d, minigroup.Change{Time: extended(d), Reserve: new(int32(9))})
			s.assertUpdated(p, want, want.Time, "")
		})
		t.Run("left "+name+", another update decides it first", func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			d := newDraft()
			s.createReady(d)
			id := uuid.New()
			leave(t, s, id, d, patch)
			want := d
			want.Time, want.Reserve, want.Host = *extended(d), new(int32(9)), newHost
			p := s.update("run-3", uuid.New(), d, minigroup.Change{Host: new(newHost)})
			s.assertUpdated(p, want, want.Time, newHost)
			if rec, err := s.ledger.UpdateRecord(t.Context(), id); err != nil || rec.State != minigroup.UpdateDone {
				t.Errorf("the update that was left is %s, %v", rec.State, err)
			}
		})
	}
	t.Run("left before its PATCH and refused, it does not keep another update from succeeding", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		m := s.createReady(d)
		room := s.conferenceState(m)
		id := uuid.New()
		leave(t, s, id, d, nil)
		s.script(conferencePatch, refused)
		want := d
		want.Host = newHost
		p := s.update("run-3", uuid.New(), d, minigroup.Change{Host: new(newHost)})
		s.assertUpdated(p, want, room.Time, newHost)
		if rec, err := s.ledger.UpdateRecord(t.Context(), id); err != nil || rec.State != minigroup.UpdateFailed {
			t.Errorf("the update that was left is %s, %v", rec.State, err)
		}
	})
	t.Run("two concurrent steps send one PATCH", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		id := uuid.New()
		leave(t, s, id, d, nil)
		both := make(chan struct{}, 2)
		concurrently := func(c call) error {
			both <- struct{}{}
			s.eventually("both are about to send", func() bool { return len(both) == 2 })
			return c.execute(c.ctx)
		}
		s.script(sendPatch, concurrently, concurrently)
		s.script(conferencePatch, loseReply, loseReply)
		var steps sync.WaitGroup
		for range 2 {
			steps.Go(func() { _ = s.execute("run-2", s.acts.PatchConferenceRoom, activities.UpdateRef{ID: id}) })
		}
		steps.Wait()
		if n := s.callCount(conferencePatch); n != 1 {
			t.Errorf("%d PATCHes were sent", n)
		}
	})
	t.Run("a run that continues after another has taken over changes nothing", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		change, want := changeAll(d)
		id := uuid.New()
		var p *result
		takeOver := hook{activity: "PatchConferenceRoom", before: func(context.Context, func()) bool {
			p = s.update("run-3", id, d, change)
			return true
		}}
		superseded := s.update("run-2", id, d, change, takeOver)
		s.assertUpdated(p, want, want.Time, newHost)
		if superseded.err != nil && superseded.kind() != activities.Superseded {
			t.Errorf("the superseded run ended with %v", superseded.err)
		}
		if n := s.callCount(conferencePatch); n != 1 {
			t.Errorf("%d PATCHes were sent", n)
		}
	})
}
