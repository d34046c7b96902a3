package storage_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

func beginUpdate(t *testing.T, s *storage.Store, run string, m minigroup.Minigroup, plan minigroup.UpdatePlan) (uuid.UUID, error) {
	t.Helper()
	id := uuid.New()
	b, err := s.TakeForUpdate(t.Context(), minigroup.Claim{Run: run, Replaces: "run-1"}, m.ID, id)
	if err != nil || b.State != minigroup.UpdateRequested {
		t.Fatalf("got %+v, %v", b, err)
	}
	return id, s.BeginUpdate(t.Context(), minigroup.UpdateEntry{
		ID: id, Run: run, ClassID: m.ID, Change: minigroup.Change{Time: &plan.Time}, Plan: plan, Reservation: uuid.New(), Gateways: true,
	})
}

func TestUpdate(t *testing.T) {
	t.Run("commits the new values and nothing else", func(t *testing.T) {
		s, _ := storagetest.New(t)
		gateways(t, s, 10)
		m := ready(t, s, "run-1", draft(8))
		later := minigroup.Window{Start: new(*m.Time.Start + 60), End: new(*m.Time.End + 60)}
		id, err := beginUpdate(t, s, "run-2", m, minigroup.UpdatePlan{Time: later, Reserve: new(int32(9)), Host: m.Host, Patch: minigroup.ConferencePatch{Time: &later}})
		if err != nil {
			t.Fatal(err)
		}
		now, err := s.ByID(t.Context(), m.ID)
		if err != nil || now.Update == nil || now.Update.State != minigroup.UpdateRunning || !now.Time.Equal(m.Time) {
			t.Fatalf("got %+v, %v", now, err)
		}
		if _, sent, err := s.SendPatch(t.Context(), "run-2", id, time.Minute); err != nil || !sent {
			t.Fatal(err)
		}
		rec, err := s.UpdateRecord(t.Context(), id)
		if err != nil || !rec.PatchOpen || rec.PatchLeft < 50*time.Second || rec.Patches != 1 || rec.Plan.Patch.Time == nil || !rec.Plan.Patch.Time.Equal(later) || rec.ConferenceRoomID != m.ConferenceRoomID {
			t.Fatalf("got %+v, %v", rec, err)
		}
		if state, err := s.FailUpdate(t.Context(), minigroup.Claim{Run: "run-2"}, m.ID, id, minigroup.Change{}, minigroup.Failure{Kind: minigroup.OperationCancelled}, true); err != nil || state != minigroup.UpdateRunning {
			t.Fatalf("an update whose PATCH may have been sent became %s, %v", state, err)
		}
		if err := s.CommitUpdate(t.Context(), "run-2", id); err != nil {
			t.Fatal(err)
		}
		if err := s.CommitUpdate(t.Context(), "run-2", id); err != nil {
			t.Fatalf("twice: %v", err)
		}
		now, err = s.ByID(t.Context(), m.ID)
		if err != nil || now.Update != nil || !now.Time.Equal(later) || *now.Reserve != 9 || string(now.Tags) != string(m.Tags) || now.Fingerprint != m.Fingerprint {
			t.Fatalf("got %+v, %v", now, err)
		}
		open, err := s.OpenReservations(t.Context(), m.ID)
		if err != nil || len(open) != 1 || open[0].Slots != 9 {
			t.Fatalf("got %+v, %v", open, err)
		}
	})
	t.Run("a failed update changes nothing and is told", func(t *testing.T) {
		s, _ := storagetest.New(t)
		gateways(t, s, 10)
		m := ready(t, s, "run-1", draft(8))
		id, err := beginUpdate(t, s, "run-2", m, minigroup.UpdatePlan{Time: m.Time, Reserve: new(int32(10)), Host: "a.b.c"})
		if err != nil {
			t.Fatal(err)
		}
		if state, err := s.FailUpdate(t.Context(), minigroup.Claim{Run: "run-2"}, m.ID, id, minigroup.Change{}, minigroup.Failure{Kind: minigroup.UpstreamRefused}, false); err != nil || state != minigroup.UpdateFailed {
			t.Fatalf("got %s, %v", state, err)
		}
		now, err := s.ByID(t.Context(), m.ID)
		if err != nil || now.Host != m.Host || *now.Reserve != 8 || now.Update.State != minigroup.UpdateFailed || now.Update.Failure.Kind != minigroup.UpstreamRefused {
			t.Fatalf("got %+v, %v", now, err)
		}
		if open, err := s.OpenReservations(t.Context(), m.ID); err != nil || open[0].Slots != 8 {
			t.Fatalf("got %+v, %v", open, err)
		}
	})
	t.Run("an update that was asked for and never began does not come after a later one", func(t *testing.T) {
		s, _ := storagetest.New(t)
		m := ready(t, s, "run-1", draft(0))
		early := uuid.New()
		if err := s.AcceptUpdate(t.Context(), minigroup.Claim{Run: "run-2", Replaces: "run-1"}, m.ID, early, minigroup.Change{Host: new("a.b.c")}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.TakeForUpdate(t.Context(), minigroup.Claim{Run: "run-3", Replaces: "run-2"}, m.ID, uuid.New()); err != nil {
			t.Fatal(err)
		}
		rec, err := s.UpdateRecord(t.Context(), early)
		if err != nil || rec.State != minigroup.UpdateFailed || rec.Failure.Kind != minigroup.OperationCancelled {
			t.Fatalf("got %+v, %v", rec, err)
		}
	})
	t.Run("an update whose run is gone does not begin, and ends nothing, once another was asked for", func(t *testing.T) {
		s, _ := storagetest.New(t)
		m := ready(t, s, "run-1", minigroup.Draft{Audience: "example.org", Scope: "overtaken", Host: "h"})
		gone, later := uuid.New(), uuid.New()
		if _, err := s.TakeForUpdate(t.Context(), minigroup.Claim{Run: "run-2", Replaces: "run-1"}, m.ID, gone); err != nil {
			t.Fatal(err)
		}
		var owned *minigroup.OwnedError
		if err := s.AcceptUpdate(t.Context(), minigroup.Claim{Run: "run-3"}, m.ID, later, minigroup.Change{Host: new("d.e.f")}); !errors.As(err, &owned) || owned.Owner != "run-2" {
			t.Fatalf("it is announced without asking whether run-2 is gone: %v", err)
		}
		if err := s.AcceptUpdate(t.Context(), minigroup.Claim{Run: "run-3", Replaces: "run-2"}, m.ID, later, minigroup.Change{Host: new("d.e.f")}); err != nil {
			t.Fatal(err)
		}
		entry := minigroup.UpdateEntry{ID: gone, Run: "run-2", ClassID: m.ID, Change: minigroup.Change{Host: new("a.b.c")}, Plan: minigroup.UpdatePlan{Time: m.Time, Host: "a.b.c"}}
		_, taken := s.TakeForUpdate(t.Context(), minigroup.Claim{Run: "run-2"}, m.ID, gone)
		_, failed := s.FailUpdate(t.Context(), minigroup.Claim{Run: "run-2"}, m.ID, gone, entry.Change, minigroup.Failure{Kind: minigroup.OperationCancelled}, true)
		for what, err := range map[string]error{"begun": s.BeginUpdate(t.Context(), entry), "taken again": taken, "failed": failed} {
			var superseded *minigroup.SupersededError
			if !errors.As(err, &superseded) && !errors.As(err, &owned) {
				t.Errorf("it is %s: %v", what, err)
			}
		}
		entry.ID, entry.Run, entry.Plan.Host = later, "run-3", "d.e.f"
		if b, err := s.TakeForUpdate(t.Context(), minigroup.Claim{Run: "run-3"}, m.ID, later); err != nil || b.State != minigroup.UpdateRequested || b.Unfinished != uuid.Nil {
			t.Fatalf("got %+v, %v", b, err)
		}
		if err := errors.Join(s.BeginUpdate(t.Context(), entry), s.CommitUpdate(t.Context(), "run-3", later)); err != nil {
			t.Fatal(err)
		}
		if now, err := s.ByID(t.Context(), m.ID); err != nil || now.Host != "d.e.f" || now.Update != nil {
			t.Fatalf("got %+v, %v", now, err)
		}
	})
}

func TestAnUpdateOfAClassThatHasEndedDoesNotBegin(t *testing.T) {
	s, db := storagetest.New(t)
	m := readyWith(t, s, running())
	take(t, s, closing(m, false))
	_, err := beginUpdate(t, s, "run-2", m, minigroup.UpdatePlan{Time: m.Time, Reserve: new(int32(2)), Host: "a.b.c"})
	var refused *minigroup.Error
	if !errors.As(err, &refused) || refused.Kind != minigroup.Closed {
		t.Errorf("got %v", err)
	}
	if n := count(t, db, `SELECT (SELECT count(*) FROM minigroup_update) + (SELECT count(*) FROM janus_reservation WHERE state <> 'releasing')`); n != 0 {
		t.Errorf("%d rows were written", n)
	}
}

func TestNothingIsTakenForAnUpdateThatIsDecided(t *testing.T) {
	s, _ := storagetest.New(t)
	m := ready(t, s, "run-1", draft(0))
	done, err := beginUpdate(t, s, "run-2", m, minigroup.UpdatePlan{Time: m.Time, Host: "a.b.c"})
	if err == nil {
		err = s.CommitUpdate(t.Context(), "run-2", done)
	}
	if err != nil {
		t.Fatal(err)
	}
	// Another was asked for since.
	later := uuid.New()
	if err := s.AcceptUpdate(t.Context(), minigroup.Claim{Run: "run-2"}, m.ID, later, minigroup.Change{Host: new("d.e.f")}); err != nil {
		t.Fatal(err)
	}
	for _, replaced := range []string{"", "run-2"} {
		if b, err := s.TakeForUpdate(t.Context(), minigroup.Claim{Run: "run-3", Replaces: replaced}, m.ID, done); err != nil || b.State != minigroup.UpdateDone {
			t.Errorf("got %+v, %v", b, err)
		}
	}
	rec, err := s.UpdateRecord(t.Context(), later)
	if now := read(t, s, m.ID); err != nil || now.Run != "run-2" || rec.State != minigroup.UpdateRequested {
		t.Errorf("got %+v, %+v, %v", now, rec, err)
	}
}

func TestSendPatch(t *testing.T) {
	s, _ := storagetest.New(t)
	m := ready(t, s, "run-1", draft(0))
	later := minigroup.Window{Start: new(*m.Time.Start + 60), End: new(*m.Time.End + 60)}
	id, err := beginUpdate(t, s, "run-2", m, minigroup.UpdatePlan{Time: later, Host: m.Host, Patch: minigroup.ConferencePatch{Time: &later}})
	if err != nil {
		t.Fatal(err)
	}
	var superseded *minigroup.SupersededError
	if rec, sent, err := s.SendPatch(t.Context(), "run-1", id, time.Minute); sent || !errors.As(err, &superseded) {
		t.Errorf("of another run: %+v, %t, %v", rec, sent, err)
	}
	rec, sent, err := s.SendPatch(t.Context(), "run-2", id, time.Minute)
	if err != nil || !sent || rec.ID != id || rec.Patches != 1 || !rec.PatchOpen || rec.ConferenceRoomID != m.ConferenceRoomID || !rec.Plan.Patch.Time.Equal(later) {
		t.Fatalf("got %+v, %t, %v", rec, sent, err)
	}
	if rec, sent, err := s.SendPatch(t.Context(), "run-2", id, time.Minute); err != nil || sent || rec.Patches != 1 || rec.PatchLeft < 50*time.Second {
		t.Errorf("while one may be in flight: %+v, %t, %v", rec, sent, err)
	}
	if err := s.PatchUnanswered(t.Context(), "run-2", id, time.Minute); err == nil || errors.As(err, &superseded) {
		t.Errorf("one that may be in flight is given up: %v", err)
	}
	if err := s.PatchUndone(t.Context(), "run-2", id, rec.Patches); err != nil {
		t.Fatal(err)
	}
	if rec, sent, err := s.SendPatch(t.Context(), "run-2", id, time.Minute); err != nil || !sent || rec.Patches != 2 {
		t.Errorf("once more: %+v, %t, %v", rec, sent, err)
	}
	if err := s.CommitUpdate(t.Context(), "run-2", id); err != nil {
		t.Fatal(err)
	}
	if rec, sent, err := s.SendPatch(t.Context(), "run-2", id, time.Minute); err != nil || sent || rec.State != minigroup.UpdateDone || rec.PatchOpen {
		t.Errorf("when it is done: %+v, %t, %v", rec, sent, err)
	}
	var unknown *minigroup.Error
	if _, sent, err := s.SendPatch(t.Context(), "run-2", uuid.New(), time.Minute); sent || !errors.As(err, &unknown) || unknown.Kind != minigroup.ClassNotFound {
		t.Errorf("of no update: %t, %v", sent, err)
	}

	m = ready(t, s, "run-1", minigroup.Draft{Audience: "example.org", Scope: "asks nothing", Host: "h"})
	id, err = beginUpdate(t, s, "run-2", m, minigroup.UpdatePlan{Host: "a.b.c"})
	if err != nil {
		t.Fatal(err)
	}
	if rec, sent, err := s.SendPatch(t.Context(), "run-2", id, time.Minute); err != nil || sent || rec.State != minigroup.UpdateRunning || rec.PatchOpen {
		t.Errorf("where conference is asked for nothing: %+v, %t, %v", rec, sent, err)
	}
}

func revisionOf(t *testing.T, s *storage.Store, id uuid.UUID) int64 {
	t.Helper()
	m, err := s.ByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return m.Revision
}

func TestRevisions(t *testing.T) {
	s, db := storagetest.New(t)
	m := ready(t, s, "run-1", draft(0))
	for name, c := range map[string]struct {
		sql     string
		changes bool
	}{
		"another owner":        {`UPDATE minigroup SET owner = 'run-x' WHERE id = $1`, false},
		"a touch":              {`UPDATE minigroup SET changed_at = now() + interval '1 s', looked_up_at = now() + interval '1 s' WHERE id = $1`, false},
		"the same values":      {`UPDATE minigroup SET host = host, tags = tags WHERE id = $1`, false},
		"an update to show":    {`UPDATE minigroup SET last_update_id = id WHERE id = $1`, false},
		"another host":         {`UPDATE minigroup SET host = host || 'x', owner = 'run-y' WHERE id = $1`, true},
		"another end":          {`UPDATE minigroup SET during = tstzrange(lower(during), upper(during) + interval '1 s') WHERE id = $1`, true},
		"no reserve any more":  {`UPDATE minigroup SET reserve = CASE WHEN reserve IS NULL THEN 1 END WHERE id = $1`, true},
		"a revision by itself": {`UPDATE minigroup SET revision = revision WHERE id = $1`, false},
	} {
		t.Run(name, func(t *testing.T) {
			before := revisionOf(t, s, m.ID)
			if _, err := db.Exec(t.Context(), c.sql, m.ID); err != nil {
				t.Fatal(err)
			}
			if after := revisionOf(t, s, m.ID); (after == before+1) != c.changes || (after == before) == c.changes {
				t.Errorf("it was %d and is %d", before, after)
			}
		})
	}
}

func TestUpdateOnARevision(t *testing.T) {
	// conditional asks for another host on condition of a revision, announced or not, and begins.
	conditional := func(t *testing.T, s *storage.Store, m minigroup.Minigroup, revision int64, announced bool) (minigroup.UpdateEntry, error) {
		t.Helper()
		e := minigroup.UpdateEntry{
			ID: uuid.New(), Run: "run-2", ClassID: m.ID, Change: minigroup.Change{Host: new("a.b.c"), Revision: &revision},
			Plan: minigroup.UpdatePlan{Time: m.Time, Host: "a.b.c"},
		}
		claim := minigroup.Claim{Run: "run-2", Replaces: "run-1"}
		if announced {
			if err := s.AcceptUpdate(t.Context(), claim, e.ClassID, e.ID, e.Change); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.TakeForUpdate(t.Context(), claim, e.ClassID, e.ID); err != nil {
			t.Fatal(err)
		}
		return e, s.BeginUpdate(t.Context(), e)
	}
	t.Run("the one it is at lets it begin, and it goes on whatever is asked then", func(t *testing.T) {
		s, _ := storagetest.New(t)
		m := ready(t, s, "run-1", draft(0))
		e, err := conditional(t, s, m, revisionOf(t, s, m.ID), false)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := s.TakeForUpdate(t.Context(), minigroup.Claim{Run: "run-3", Replaces: "run-2"}, e.ClassID, e.ID); err != nil || b.State != minigroup.UpdateRunning {
			t.Fatalf("got %+v, %v", b, err)
		}
		if err := s.CommitUpdate(t.Context(), "run-3", e.ID); err != nil {
			t.Fatal(err)
		}
		if now, err := s.ByID(t.Context(), e.ClassID); err != nil || now.Host != "a.b.c" || now.Revision != m.Revision+1 {
			t.Fatalf("got %+v, %v", now, err)
		}
	})
	for name, announced := range map[string]bool{"a caller who waits is told, and nobody else": false, "a caller who was told to come back finds the failure": true} {
		t.Run("another one refuses it: "+name, func(t *testing.T) {
			s, _ := storagetest.New(t)
			m := ready(t, s, "run-1", draft(0))
			e, err := conditional(t, s, m, m.Revision-1, announced)
			var refused *minigroup.Error
			if !errors.As(err, &refused) || refused.Kind != minigroup.PreconditionFailed {
				t.Fatalf("got %v", err)
			}
			state, err := s.FailUpdate(t.Context(), minigroup.Claim{Run: "run-2"}, e.ClassID, e.ID, e.Change, minigroup.Failure{Kind: refused.Kind}, false)
			if err != nil || state != minigroup.UpdateFailed {
				t.Fatalf("got %s, %v", state, err)
			}
			if rec, err := s.UpdateRecord(t.Context(), e.ID); err != nil || rec.Failure.Kind != minigroup.PreconditionFailed {
				t.Fatalf("got %+v, %v", rec, err)
			}
			now, err := s.ByID(t.Context(), e.ClassID)
			if err != nil || now.Host != m.Host || now.Revision != m.Revision || (now.Update != nil) != announced {
				t.Fatalf("got %+v, %v", now, err)
			}
		})
	}
	t.Run("whoever takes it up later finds what it demands", func(t *testing.T) {
		s, db := storagetest.New(t)
		m := ready(t, s, "run-1", draft(0))
		if _, err := conditional(t, s, m, m.Revision-1, true); err == nil {
			t.Fatal("it began")
		}
		if _, err := db.Exec(t.Context(), `UPDATE minigroup_update SET requested_at = now() - interval '1 hour'`); err != nil {
			t.Fatal(err)
		}
		open, err := s.OpenSagas(t.Context(), time.Minute, 10)
		if err != nil || len(open) != 1 || open[0].Change.Revision == nil || *open[0].Change.Revision != m.Revision-1 {
			t.Fatalf("got %+v, %v", open, err)
		}
	})
}
