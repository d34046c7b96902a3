package storage_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// meanwhile carries out do while one transaction holds what lock locks: it is waited for until do waits, and has written by then.
func meanwhile(t *testing.T, db *pgx.Conn, lock, write string, args []any, do func() error) {
	t.Helper()
	tx, err := db.Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), lock)
	}
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- do() }()
	until(t, "it waits", func() bool {
		var n int
		err := tx.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
		return err == nil && n > 0
	})
	if _, err := tx.Exec(t.Context(), write, args...); err != nil {
		t.Fatal(err)
	}
	commit(t, tx)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// The worker of a run that was terminated may be in the middle of a step when another run takes its row.
func TestARunCarriesOnWhatWasBegunWhileItWaitedForTheRow(t *testing.T) {
	s, db := storagetest.New(t)
	m := ready(t, s, "run-1", draft(0))
	early := uuid.New()
	var begun minigroup.BegunUpdate
	meanwhile(t, db, `SELECT FROM minigroup FOR UPDATE`, `
		INSERT INTO minigroup_update (id, class_id, state, run, requested, old_during, new_during, new_host, patch)
		SELECT $1, id, 'running', owner, '{"host": "a.b.c"}', during, during, 'a.b.c', '{}' FROM minigroup`, []any{early}, func() (err error) {
		begun, err = s.TakeForUpdate(t.Context(), minigroup.Claim{Run: "run-2", Replaces: "run-1"}, m.ID, uuid.New())
		return err
	})
	rec, err := s.UpdateRecord(t.Context(), early)
	if err != nil || begun.State != minigroup.UpdateRequested || begun.Unfinished != early || rec.Run != "run-2" {
		t.Fatalf("got %+v, %+v, %v", begun, rec, err)
	}
	if err := s.CommitUpdate(t.Context(), "run-2", early); err != nil {
		t.Fatal(err)
	}
}

func TestAClassEndsWhoseRoomWasClosedWhileItsUpdateWaitedToCommit(t *testing.T) {
	s, db := storagetest.New(t)
	m := readyWith(t, s, running())
	id, err := beginUpdate(t, s, "run-2", m, minigroup.UpdatePlan{Time: m.Time, Reserve: m.Reserve, Host: "a.b.c"})
	if err != nil {
		t.Fatal(err)
	}
	meanwhile(t, db, `SELECT FROM minigroup FOR UPDATE`, `
		INSERT INTO closed_room (room_id, class_id, timed_out) SELECT conference_room_id, id, false FROM minigroup`, nil, func() error {
		return s.CommitUpdate(t.Context(), "run-2", id)
	})
	if now := read(t, s, m.ID); now.ClosedAt.IsZero() || now.Host != "a.b.c" {
		t.Fatalf("got %+v", now)
	}
	if open, err := s.OpenReservations(t.Context(), m.ID); err != nil || len(open) != 1 || open[0].State != minigroup.ReservationReleasing {
		t.Fatalf("slots: %+v, %v", open, err)
	}
}

func TestAnUpdateThatWantsNoOtherSlotsWaitsForNoAdmission(t *testing.T) {
	s, db := storagetest.New(t)
	m := readyWith(t, s, hours(1, 2))
	tx, err := db.Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), storage.LockAdmission)
	}
	if err != nil {
		t.Fatal(err)
	}
	plan := minigroup.UpdatePlan{Time: m.Time, Reserve: m.Reserve, Host: "a.b.c"}
	if _, err := beginUpdate(t, s, "run-2", m, plan); err != nil {
		t.Error(err)
	}
	commit(t, tx)
	if n := count(t, db, `SELECT count(*) FROM janus_reservation WHERE state = 'held' AND next_slots IS NULL`); n != 1 {
		t.Errorf("%d reservations are as they were", n)
	}
}

func TestAMinigroupShowsAnUpdateThatWaitedToBegin(t *testing.T) {
	s, db := storagetest.New(t)
	m := ready(t, s, "run-1", draft(0))
	failed, err := beginUpdate(t, s, "run-2", m, minigroup.UpdatePlan{Time: m.Time, Host: "a.b.c"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.FailUpdate(t.Context(), minigroup.Claim{Run: "run-2"}, m.ID, failed, minigroup.Change{Host: new("a.b.c")},
		minigroup.Failure{Kind: minigroup.UpstreamRefused}, false)
	if now := read(t, s, m.ID); err != nil || now.Update == nil || now.Update.ID != failed {
		t.Fatalf("it shows %+v, %v", now.Update, err)
	}
	e := minigroup.UpdateEntry{
		ID: uuid.New(), Run: "run-2", ClassID: m.ID, Change: minigroup.Change{Host: new("d.e.f")},
		Plan: minigroup.UpdatePlan{Time: m.Time, Host: "d.e.f"},
	}
	meanwhile(t, db, `SELECT FROM minigroup FOR UPDATE`, `UPDATE minigroup SET host = 'changed'`, nil, func() error {
		return s.BeginUpdate(t.Context(), e)
	})
	now := read(t, s, m.ID)
	if now.Update == nil || now.Update.ID != e.ID || now.Update.State != minigroup.UpdateRunning || now.Host != "changed" {
		t.Fatalf("it shows %+v, host %s", now.Update, now.Host)
	}
	if err := s.CommitUpdate(t.Context(), "run-2", e.ID); err != nil {
		t.Fatal(err)
	}
	if now := read(t, s, m.ID); now.Update != nil || now.Host != "d.e.f" || now.Revision != m.Revision+2 {
		t.Fatalf("it shows %+v at revision %d, after %d", now.Update, now.Revision, m.Revision)
	}
}
