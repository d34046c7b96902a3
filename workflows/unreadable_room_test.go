package workflows_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
)

// deleteRooms makes conference forget the rooms of a class.
func (w *world) deleteRooms(classID uuid.UUID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, room := range w.conference {
		if room.classID == classID {
			delete(w.conference, id)
		}
	}
}

// ageRooms makes the rooms of a class older than the delay with which conference may know them.
func (s *harness) ageRooms(d minigroup.Draft) {
	s.Helper()
	_, err := s.db.Exec(s.Context(), `
		UPDATE room_attempt SET answered_at = now() - interval '1 hour' WHERE class_id = $1`, classID(d))
	if err != nil {
		s.Fatal(err)
	}
}

// leaveUnanswered begins an update to newHost in run-2 and executes its PATCH, whose reply is lost. Then run-2 is gone.
func (s *harness) leaveUnanswered(d minigroup.Draft) (update uuid.UUID) {
	s.Helper()
	update = uuid.New()
	change := stored.NewChange(minigroup.Change{Host: new(newHost)})
	in := activities.UpdateInput{ID: update, ClassID: classID(d), Change: change}
	if err := s.execute("run-2", s.acts.BeginUpdate, in); err != nil {
		s.Fatal(err)
	}
	s.script(conferencePatch, loseReply)
	if err := s.execute("run-2", s.acts.PatchConferenceRoom, activities.UpdateRef{ID: update}); err == nil {
		s.Fatal("the PATCH was answered")
	}
	return update
}

func (s *harness) updateRecord(id uuid.UUID) minigroup.UpdateRecord {
	s.Helper()
	rec, err := s.ledger.UpdateRecord(s.Context(), id)
	if err != nil {
		s.Fatal(err)
	}
	return rec
}

// forever is a behaviour that does not change while a test runs.
func forever(b behaviour) []behaviour { return times(1000, b) }

func TestUpdateOfAClassWhoseRoomIsGone(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, gone := range map[string]func(*harness, minigroup.Draft) behaviour{
		"after its PATCH was executed without a reply": func(s *harness, d minigroup.Draft) behaviour {
			return func(c call) error {
				err := loseReply(c)
				s.deleteRooms(classID(d))
				return err
			}
		},
		"before its PATCH": func(s *harness, d minigroup.Draft) behaviour {
			return func(c call) error {
				s.deleteRooms(classID(d))
				return c.execute(c.ctx)
			}
		},
	} {
		t.Run(name+", the update fails and asks for a recreate", func(t *testing.T) {
			t.Parallel()
			s, d := db.newHarness(t), newDraft()
			s.createReady(d)
			s.ageRooms(d)
			id := uuid.New()
			s.script(conferencePatch, gone(s, d))
			p := s.update("run-2", id, d, minigroup.Change{Host: new(newHost)})
			rec := s.updateRecord(id)
			if p.kind() != minigroup.UpstreamRefused || rec.State != minigroup.UpdateFailed ||
				rec.Failure.UpstreamType != "room_not_found" || !strings.Contains(rec.Failure.Detail, "recreate") {
				t.Errorf("the run ended with %v, the update is %+v", p.err, rec)
			}
			if m, err := s.ledger.ByID(t.Context(), classID(d)); err != nil || m.Host != d.Host {
				t.Errorf("the minigroup is %+v, %v", m, err)
			}
		})
	}
	t.Run("a room that conference does not know yet is waited for", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		s.createReady(d)
		s.script(conferencePatch, loseReply)
		unknown := func(call) error { return unknownRoom("conference", conferenceRead) }
		s.script(conferenceRead, succeed, unknown, unknown, unknown)
		want := d
		want.Host = newHost
		p := s.update("run-2", uuid.New(), d, minigroup.Change{Host: new(newHost)})
		s.assertUpdated(p, want, minigroup.Window{Start: d.Time.Start}, newHost)
	})
	t.Run("a recreate gives it new rooms", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		before := s.createReady(d)
		s.ageRooms(d)
		left := s.leaveUnanswered(d)
		s.deleteRooms(classID(d))
		p := s.recreate("run-3", uuid.New(), d, minigroup.Change{})
		s.assertRooms(before, true)
		if rec := s.updateRecord(left); p.err != nil || rec.State != minigroup.UpdateFailed {
			t.Errorf("the run ended with %v, the update that was left is %+v", p.err, rec)
		}
	})
}

func TestRecreateBehindAnUpdateWhoseRoomCannotBeRead(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, unreadable := range map[string]behaviour{"forbidden": refused, "failing": unavailable, "hanging": hang} {
		t.Run(name+": it fails the update, and the class has new rooms", func(t *testing.T) {
			t.Parallel()
			s, d := db.newHarness(t), newDraft()
			s.createReady(d)
			if p := s.update("run-1b", uuid.New(), d, minigroup.Change{Host: new("first.host.example.org")}); p.err != nil {
				t.Fatal(p.err)
			}
			before := s.assertConsistent(d)
			left := s.leaveUnanswered(d)
			s.script(conferenceRead, forever(unreadable)...)
			p := s.recreate("run-3", uuid.New(), d, minigroup.Change{})
			s.mu.Lock()
			s.scripts[conferenceRead] = nil
			s.mu.Unlock()
			after := s.assertRooms(before, true)
			rec := s.updateRecord(left)
			host := s.conferenceState(after).Host
			if p.err != nil || after.Host != before.Host || host != before.Host {
				t.Errorf("the run ended with %v; the host is %s, in conference %s", p.err, after.Host, host)
			}
			if rec.State != minigroup.UpdateFailed || !strings.Contains(rec.Failure.Detail, "recreate") ||
				s.hasPATCHToLookFor(d) {
				t.Errorf("the update that was left is %+v; its PATCH is looked for: %t", rec, s.hasPATCHToLookFor(d))
			}
		})
	}
	t.Run("when it fails later, the PATCH of the update that it failed is looked for and reverted", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		r := &fakeTemporal{harness: s, class: classID(d)}
		s.createReady(d)
		left := s.leaveUnanswered(d)
		s.script(conferenceRead, times(9, unavailable)...)
		s.script(eventCreate, refused)
		p := s.recreate("run-3", uuid.New(), d, minigroup.Change{})
		if p.kind() != minigroup.UpstreamRefused || s.updateRecord(left).State != minigroup.UpdateFailed ||
			!s.hasPATCHToLookFor(d) {
			t.Fatalf("the run ended with %v, the update that was left is %+v", p.err, s.updateRecord(left))
		}
		s.mu.Lock()
		s.scripts[conferenceRead] = nil
		s.mu.Unlock()
		m, err := s.ledger.ByID(t.Context(), classID(d))
		if err != nil || s.conferenceState(m).Host != newHost {
			t.Fatalf("conference has %+v, %v", s.conferenceState(m), err)
		}
		r.lookUp()
		if host := s.conferenceState(m).Host; host == newHost && m.Host != newHost {
			if now, err := s.ledger.ByID(t.Context(), m.ID); err != nil || now.Host != newHost {
				t.Errorf("conference has the host %s, the minigroup %s, %v", host, now.Host, err)
			}
		}
	})
	t.Run("a cancel ends it, and the update stays for the sweeper", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		before := s.createReady(d)
		left := s.leaveUnanswered(d)
		during := s.cancelDuring("PatchConferenceRoom", conferenceRead, func(c call, cancel func()) error {
			cancel()
			return c.fail(unavailability)
		})
		id := uuid.New()
		p := s.recreate("run-3", id, d, minigroup.Change{}, during...)
		if rec := s.updateRecord(id); !p.cancelled() || rec.State != minigroup.UpdateFailed {
			t.Errorf("the run ended with %v, the recreate is %+v", p.err, rec)
		}
		if rec := s.updateRecord(left); rec.State != minigroup.UpdateRunning {
			t.Errorf("the update that was left is %+v", rec)
		}
		s.hasNewRooms(before)
	})
}

func TestUpdateThatIsForcedToFail(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	// forced makes the room unreadable, until the update of the class is forced to fail.
	forced := func(s *harness, d minigroup.Draft, c call) error {
		reason := minigroup.Failure{Kind: minigroup.OperationCancelled, Detail: "failed by an operator"}
		if _, err := s.ledger.ForceFailUpdate(c.ctx, classID(d), minigroup.Requester{}, reason); err != nil {
			s.Error(err)
		}
		return c.fail(refusal)
	}
	t.Run("its run ends as failed", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		s.createReady(d)
		id := uuid.New()
		s.script(conferencePatch, loseReply)
		s.script(conferenceRead, succeed)
		s.script(conferenceRead, times(15, refused)...)
		s.script(conferenceRead, func(c call) error { return forced(s, d, c) })
		p := s.update("run-2", id, d, minigroup.Change{Host: new(newHost)})
		rec := s.updateRecord(id)
		if p.kind() != minigroup.OperationCancelled || rec.State != minigroup.UpdateFailed || !s.hasPATCHToLookFor(d) {
			t.Errorf("the run ended with %v, the update is %+v, failed as %+v", p.err, rec, rec.Failure)
		}
	})
	t.Run("an update behind it goes on", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		s.createReady(d)
		left := s.leaveUnanswered(d)
		s.script(conferenceRead, times(15, refused)...)
		s.script(conferenceRead, func(c call) error { return forced(s, d, c) })
		change, want := extendBy(d, 10, 9)
		p := s.update("run-3", uuid.New(), d, change)
		s.assertUpdated(p, want, want.Time, newHost)
		if rec := s.updateRecord(left); rec.State != minigroup.UpdateFailed {
			t.Errorf("the update that was left is %+v", rec)
		}
	})
	t.Run("its run notices although conference has no capacity", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		s.createReady(d)
		left := s.leaveUnanswered(d)
		reason := minigroup.Failure{Kind: minigroup.OperationCancelled}
		if _, err := s.ledger.ForceFailUpdate(t.Context(), classID(d), minigroup.Requester{}, reason); err != nil {
			t.Fatal(err)
		}
		busy := s.newProcessWith(s.acts.Settings, 1)
		full := newGate(t)
		s.script(conferenceRead, full.before)
		go func() { _, _ = busy.Conference.Room(t.Context(), uuid.New()) }()
		full.awaitReached(t)
		err := s.executeIn(busy, "run-2", busy.PatchConferenceRoom, activities.UpdateRef{ID: left})
		if failure, final, _ := activities.FailureOf(err); !final || failure.Kind != minigroup.OperationCancelled {
			t.Errorf("the step ended with %v", err)
		}
	})
}
