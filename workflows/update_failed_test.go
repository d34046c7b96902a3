package workflows_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestFailedUpdate(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, c := range map[string]struct {
		draft   func(*minigroup.Draft)
		arrange func(*harness, minigroup.Draft)
		// change is the requested change; nil: changeAll.
		change func(minigroup.Draft) minigroup.Change
		kind   minigroup.Kind
		// patched says that a PATCH was sent.
		patched bool
	}{
		"a room that has an end is not moved, and no PATCH is sent": {
			arrange: func(s *harness, d minigroup.Draft) { s.setEnd(classID(d), *d.Time.End) },
			change: func(d minigroup.Draft) minigroup.Change {
				moved := minigroup.Window{Start: new(*d.Time.Start + 60), End: d.Time.End}
				return minigroup.Change{Time: &moved, Reserve: new(int32(10))}
			},
			kind: minigroup.RoomTimeChangeForbidden,
		},
		"more slots than fit are not admitted, and no PATCH is sent": {
			change: func(d minigroup.Draft) minigroup.Change {
				return minigroup.Change{Time: extended(d), Reserve: new(int32(11))}
			},
			kind: minigroup.CapacityExceeded,
		},
		"conference refuses, and the slots are as before": {
			arrange: func(s *harness, _ minigroup.Draft) { s.script(conferencePatch, refused) },
			kind:    minigroup.UpstreamRefused, patched: true,
		},
		"conference refuses, and a class without slots has none": {
			draft:   func(d *minigroup.Draft) { d.Reserve = nil },
			arrange: func(s *harness, _ minigroup.Draft) { s.script(conferencePatch, refused) },
			kind:    minigroup.UpstreamRefused, patched: true,
		},
		"conference is unavailable, then refuses": {
			arrange: func(s *harness, _ minigroup.Draft) { s.script(conferencePatch, unavailable, unavailable, refused) },
			kind:    minigroup.UpstreamRefused, patched: true,
		},
		"conference refuses the second PATCH, and has not executed the first": {
			arrange: func(s *harness, _ minigroup.Draft) { s.script(conferencePatch, hang, refused) },
			kind:    minigroup.UpstreamRefused, patched: true,
		},
		"the room cannot be read in all attempts": {
			arrange: func(s *harness, _ minigroup.Draft) { s.script(conferenceRead, times(allAttempts, unavailable)...) },
			kind:    minigroup.UpstreamUnavailable,
		},
		"the PATCH cannot be sent in all attempts": {
			arrange: func(s *harness, _ minigroup.Draft) { s.script(conferencePatch, times(allAttempts, unavailable)...) },
			kind:    minigroup.UpstreamUnavailable, patched: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			d := newDraft()
			if c.draft != nil {
				c.draft(&d)
			}
			before := s.createReady(d)
			if c.arrange != nil {
				c.arrange(s, d)
			}
			room := s.conferenceState(before)
			change, _ := changeAll(d)
			if c.change != nil {
				change = c.change(d)
			}
			p := s.update("run-2", uuid.New(), d, change)
			if (s.callCount(conferencePatch) > 0) != c.patched {
				t.Errorf("%d PATCHes were sent", s.callCount(conferencePatch))
			}
			s.assertUnchanged(p, before, room, c.kind)
		})
	}
	for name, arrange := range map[string]func(*harness, minigroup.Draft){
		"the update begins": func(s *harness, d minigroup.Draft) { s.setEnd(classID(d), time.Now().Unix()-1) },
		"the PATCH is sent": func(s *harness, d minigroup.Draft) {
			s.script(conferencePatch, func(c call) error {
				s.setEnd(classID(d), time.Now().Unix()-1)
				return c.execute(c.ctx)
			})
		},
	} {
		t.Run("a room that is closed when "+name+" is not changed, and its class ends", func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			d := newDraft()
			s.createReady(d)
			arrange(s, d)
			change, _ := changeAll(d)
			p := s.update("run-2", uuid.New(), d, change)
			m, err := s.ledger.ByID(t.Context(), classID(d))
			if err != nil {
				t.Fatal(err)
			}
			if p.kind() != minigroup.Closed || m.ClosedAt.IsZero() || m.Update == nil {
				t.Errorf("the update ended with %v, the class at %v, and shows %v", p.err, m.ClosedAt, m.Update)
			}
		})
	}
	t.Run("a minigroup that failed is not updated", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(conferenceCreate, refused)
		s.create("run-1", d)
		p := s.update("run-2", uuid.New(), d, minigroup.Change{Host: new(newHost)})
		if p.kind() != minigroup.NotReady {
			t.Errorf("the run ended with %v", p.err)
		}
	})
	t.Run("a repeated workflow task of a failed update fails again", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		before := s.createReady(d)
		room := s.conferenceState(before)
		s.script(conferencePatch, refused)
		change, _ := changeAll(d)
		id := uuid.New()
		s.update("run-2", id, d, change)
		s.assertUnchanged(s.update("run-2", id, d, change), before, room, minigroup.UpstreamRefused)
	})
}
