package workflows_test

import (
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestUpdatePivot(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	t.Run("after a PATCH whose reply was lost, the room decides", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		s.script(conferencePatch, loseReply)
		change, want := changeAll(d)
		s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
		if n := s.callCount(conferencePatch); n != 1 {
			t.Errorf("%d PATCHes were sent", n)
		}
	})
	t.Run("a PATCH that was not executed is sent again", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		s.script(conferencePatch, hang)
		change, want := changeAll(d)
		s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
		if n := s.callCount(conferencePatch); n != 2 {
			t.Errorf("%d PATCHes were sent", n)
		}
	})
	t.Run("a refusal of the second PATCH decides nothing by itself", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		change, want := changeAll(d)
		// The first PATCH is executed after the room was read, and the second is refused.
		s.script(conferencePatch, hang, func(c call) error {
			if err := c.execute(c.ctx); err != nil {
				return err
			}
			return c.fail(refusal)
		})
		s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
	})
	t.Run("a refusal to read the room decides nothing about a PATCH that was sent", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		s.script(conferencePatch, loseReply)
		s.script(conferenceRead, succeed, refused, refused) // the first read is before the PATCH
		change, want := changeAll(d)
		s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
	})
	t.Run("a cancel before the PATCH changes nothing", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		before := s.createReady(d)
		room := s.conferenceState(before)
		change, _ := changeAll(d)
		p := s.update("run-2", uuid.New(), d, change,
			cancelAfter("BeginUpdate"), cancelBefore("PatchConferenceRoom"))
		s.assertUnchanged(p, before, room, minigroup.OperationCancelled)
	})
	t.Run("a cancel before the update has begun changes nothing, and the update is shown as failed", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		before := s.createReady(d)
		room := s.conferenceState(before)
		change, _ := changeAll(d)
		p := s.update("run-2", uuid.New(), d, change, cancelAtOnce)
		s.assertUnchanged(p, before, room, minigroup.OperationCancelled)
	})
	for name, patch := range map[string]behaviour{
		"which is executed": succeed, "whose reply is lost": loseReply, "which is not executed": hang,
	} {
		t.Run("after a cancel during a PATCH "+name+" the update goes forward", func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			d := newDraft()
			s.createReady(d)
			change, want := changeAll(d)
			during := s.cancelDuring("PatchConferenceRoom", conferencePatch, func(c call, cancel func()) error {
				err := patch(c)
				cancel()
				return err
			})
			p := s.update("run-2", uuid.New(), d, change, during...)
			s.assertUpdated(p, want, want.Time, newHost)
		})
	}
	t.Run("after a cancel after the PATCH the update is committed", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		change, want := changeAll(d)
		p := s.update("run-2", uuid.New(), d, change, cancelAfter("PatchConferenceRoom"))
		s.assertUpdated(p, want, want.Time, newHost)
	})
	t.Run("a cancel after the worker died that has sent the PATCH does not undo the update", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		id := s.leaveUnanswered(d)
		p := s.update("run-2", id, d, minigroup.Change{Host: new(newHost)}, cancelAtOnce)
		if m := s.assertConsistent(d); p.err != nil || m.Host != newHost || m.Update != nil {
			t.Errorf("its host is %s, it shows %+v, %v", m.Host, m.Update, p.err)
		}
	})
	t.Run("a start that conference has kept is adopted", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		moved := minigroup.Window{Start: new(*d.Time.Start + 30), End: new(*d.Time.End + 600)}
		// The first stream gives the room an end before the PATCH is executed.
		s.script(conferencePatch, func(c call) error {
			s.setEnd(classID(d), *d.Time.End)
			return c.execute(c.ctx)
		})
		want := d
		want.Time.End = moved.End
		s.assertUpdated(s.update("run-2", uuid.New(), d, minigroup.Change{Time: &moved}), want, want.Time, "")
	})
}
