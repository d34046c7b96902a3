package storage_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

func TestClassesWithoutAnEndAreLookedUpOncePerPeriodAFewAtATime(t *testing.T) {
	s, _ := storagetest.New(t)
	soon := time.Now().Unix() + 3600
	ready(t, s, "run-1", minigroup.Draft{
		Audience: "example.org", Scope: "ahead", Host: "h", Time: minigroup.Window{Start: new(soon)},
	})
	readyWith(t, s, running())
	for _, scope := range []string{"one", "two", "three"} {
		ready(t, s, "run-1", minigroup.Draft{Audience: "example.org", Scope: scope, Host: "h"})
	}
	if due, err := s.DueLookups(t.Context(), time.Hour, 10); err != nil || len(due) != 0 {
		t.Fatalf("got %+v, %v", due, err)
	}
	seen := map[string]int{}
	for range 2 {
		due, err := s.DueLookups(t.Context(), 0, 2)
		if err != nil || len(due) != 2 || due[0].ConferenceRoomID == uuid.Nil {
			t.Fatalf("got %+v, %v", due, err)
		}
		for _, l := range due {
			seen[l.Scope]++
		}
	}
	if len(seen) != 3 || seen["ahead"] != 0 {
		t.Fatalf("looked up: %v", seen)
	}
}

// patched leaves a minigroup with a failed update whose PATCH for another host went unanswered.
func patched(t *testing.T, s *storage.Store, db *pgx.Conn, scope string) (m minigroup.Minigroup, update uuid.UUID) {
	t.Helper()
	m = ready(t, s, "run-1", minigroup.Draft{Audience: "example.org", Scope: scope, Host: "h"})
	update, err := beginUpdate(t, s, "run-2", m, minigroup.UpdatePlan{
		Time: m.Time, Host: "a.b.c", Patch: minigroup.ConferencePatch{Host: new("a.b.c")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, sent, err := s.SendPatch(t.Context(), "run-2", update, 0); err != nil || !sent {
		t.Fatalf("sent: %t, %v", sent, err)
	}
	if err := s.PatchUnanswered(t.Context(), "run-2", update, 0); err != nil {
		t.Fatal(err)
	}
	_, err = s.FailUpdate(t.Context(), minigroup.Claim{Run: "run-2"}, m.ID, update, minigroup.Change{},
		minigroup.Failure{Kind: minigroup.UpstreamRefused}, false)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, s, m.ID), update
}

func (s lookups) due(limit int) []minigroup.Lookup {
	s.Helper()
	due, err := s.DueLookups(s.Context(), 0, limit)
	if err != nil {
		s.Fatal(err)
	}
	return due
}

type lookups struct {
	*testing.T
	*storage.Store
}

// marks counts the PATCHes that are to be looked for.
func marks(t *testing.T, db *pgx.Conn) int {
	t.Helper()
	return count(t, db, `SELECT count(*) FROM minigroup_update WHERE look_up_at IS NOT NULL`)
}

func TestAnUnansweredPatchIsLookedUpOnceAnHour(t *testing.T) {
	store, db := storagetest.New(t)
	s := lookups{t, store}
	ready(t, store, "run-1", minigroup.Draft{Audience: "example.org", Scope: "endless", Host: "h"})
	m, update := patched(t, store, db, "patched")
	due := s.due(1)
	if len(due) != 1 || due[0].ID != m.ID || due[0].Host != m.Host || due[0].Revision != m.Revision || len(due[0].Unanswered) != 1 {
		t.Fatalf("due are %+v, want the one with the PATCH first", due)
	}
	if u := due[0].Unanswered[0]; u.UpdateID != update || *u.Patch.Host != "a.b.c" || u.Patch.Time != nil {
		t.Errorf("to look for: %+v", u)
	}
	for _, l := range s.due(10) {
		if len(l.Unanswered) > 0 {
			t.Errorf("listed at once again: %+v", l)
		}
	}
	if n := count(t, db, `SELECT count(*) FROM minigroup_update WHERE look_up_at > now() + interval '59 minutes'`); n != 1 {
		t.Errorf("%d are due in an hour", n)
	}
	if err := s.NothingToRepair(t.Context(), due[0]); err != nil || marks(t, db) != 0 {
		t.Errorf("%d are still to be looked for, %v", marks(t, db), err)
	}
}

func TestALookUpThatFindsNothingToRepairIsNotTheLastIfTheMinigroupHasChanged(t *testing.T) {
	for name, change := range map[string]func(lookups, minigroup.Minigroup) error{
		"another host": func(s lookups, m minigroup.Minigroup) error {
			id, err := beginUpdate(s.T, s.Store, "run-2", m, minigroup.UpdatePlan{Time: m.Time, Host: "d.e.f"})
			if err == nil {
				err = s.CommitUpdate(s.Context(), "run-2", id)
			}
			return err
		},
		"an update has begun": func(s lookups, m minigroup.Minigroup) error {
			_, err := beginUpdate(s.T, s.Store, "run-2", m, minigroup.UpdatePlan{Time: m.Time, Host: "d.e.f"})
			return err
		},
		"an update is accepted": func(s lookups, m minigroup.Minigroup) error {
			change := minigroup.Change{Host: new("d.e.f")}
			return s.AcceptUpdate(s.Context(), minigroup.Claim{Run: "run-2"}, m.ID, uuid.New(), change)
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, db := storagetest.New(t)
			s := lookups{t, store}
			m, _ := patched(t, store, db, "patched")
			due := s.due(10)
			if err := change(s, m); err != nil {
				t.Fatal(err)
			}
			if err := s.NothingToRepair(t.Context(), due[0]); err != nil || marks(t, db) != 1 {
				t.Errorf("%d are still to be looked for, %v", marks(t, db), err)
			}
		})
	}
}

func TestUnansweredPatchesThatAreNotLookedUp(t *testing.T) {
	store, db := storagetest.New(t)
	s := lookups{t, store}
	m, _ := patched(t, store, db, "undecided")
	if _, err := beginUpdate(t, store, "run-2", m, minigroup.UpdatePlan{Time: m.Time, Host: "d.e.f"}); err != nil {
		t.Fatal(err)
	}
	if due := s.due(10); hasPatch(due, m.ID) {
		t.Errorf("while an update is undecided: %+v", due)
	}
	over, _ := patched(t, store, db, "over")
	take(t, store, closing(over, false))
	if due := s.due(10); hasPatch(due, over.ID) || marks(t, db) != 1 {
		t.Errorf("of a class that has ended: %+v; %d are to be looked for", due, marks(t, db))
	}
}

func hasPatch(due []minigroup.Lookup, id uuid.UUID) bool {
	return slices.ContainsFunc(due, func(l minigroup.Lookup) bool { return l.ID == id && len(l.Unanswered) > 0 })
}

func TestARepairIsNotShownAndBeginsOnlyAtItsRevision(t *testing.T) {
	store, db := storagetest.New(t)
	m, failed := patched(t, store, db, "patched")
	repair := minigroup.UpdateEntry{
		ID: uuid.New(), Run: "run-2", ClassID: m.ID, Plan: minigroup.UpdatePlan{Time: m.Time, Host: "a.b.c"},
		Change: minigroup.Change{Host: new("a.b.c"), Revision: new(m.Revision - 1), Repair: true},
	}
	if err := store.BeginUpdate(t.Context(), repair); !isKind(err, minigroup.PreconditionFailed) {
		t.Fatalf("got %v", err)
	}
	_, err := store.FailUpdate(t.Context(), minigroup.Claim{Run: "run-2"}, m.ID, repair.ID, repair.Change,
		minigroup.Failure{Kind: minigroup.CapacityExceeded}, false)
	if now := read(t, store, m.ID); err != nil || now.Update == nil || now.Update.ID != failed {
		t.Fatalf("it shows %+v, %v", now.Update, err)
	}
	repair.ID, repair.Change.Revision = uuid.New(), &m.Revision
	if err := store.BeginUpdate(t.Context(), repair); err != nil {
		t.Fatal(err)
	}
	if now := read(t, store, m.ID); now.Update == nil || now.Update.ID != failed {
		t.Errorf("while it runs, the minigroup shows %+v", now.Update)
	}
	if err := store.CommitUpdate(t.Context(), "run-2", repair.ID); err != nil {
		t.Fatal(err)
	}
	if now := read(t, store, m.ID); now.Update == nil || now.Update.ID != failed || now.Host != "a.b.c" {
		t.Errorf("when it is done, the minigroup shows %+v and host %s", now.Update, now.Host)
	}
	if n := marks(t, db); n != 1 {
		t.Errorf("%d PATCHes are to be looked for, want that of the failed update, so that the repair is verified", n)
	}
}
