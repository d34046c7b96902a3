package storage_test

import (
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/storage"
)

// meanwhile calls do while a transaction holds the lock that a statement takes. When do waits for it, the transaction
// writes and commits.
func (l ledger) meanwhile(lock, write string, args []any, do func() error) {
	l.Helper()
	tx, err := l.db.Begin(l.Context())
	l.must(err)
	_, err = tx.Exec(l.Context(), lock)
	l.must(err)
	done := make(chan error, 1)
	go func() { done <- do() }()
	until(l.T, "it waits", func() bool {
		var n int
		err := tx.QueryRow(l.Context(), `
			SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
		return err == nil && n > 0
	})
	_, err = tx.Exec(l.Context(), write, args...)
	l.must(err)
	l.must(tx.Commit(l.Context()))
	l.must(<-done)
}

const lockMinigroups = `SELECT FROM minigroup FOR UPDATE`

// The worker of a run that was terminated may be in the middle of a step when another run takes its row.
func TestARunCarriesOnWhatBeganWhileItWaitedForTheRow(t *testing.T) {
	l := newLedger(t)
	m, early := l.ready("run-1", draft(0)), uuid.New()
	var begun minigroup.BegunUpdate
	l.meanwhile(lockMinigroups, `
		INSERT INTO minigroup_update (id, class_id, state, run, requested, old_during, new_during, new_host, patch)
		SELECT $1, id, 'running', owner, '{"host": "a.b.c"}', during, during, 'a.b.c', '{}' FROM minigroup`,
		[]any{early}, func() (err error) {
			claim := minigroup.Claim{Run: "run-2", Replaces: "run-1"}
			begun, err = l.TakeForUpdate(t.Context(), claim, m.ID, uuid.New())
			return err
		})
	rec := l.recordOf(early)
	if begun.State != minigroup.UpdateRequested || begun.Unfinished != early || rec.Run != "run-2" {
		t.Fatalf("got %+v, %+v", begun, rec)
	}
	l.commit("run-2", early)
}

func TestAClassEndsIfItsRoomIsClosedWhileItsUpdateWaitsToCommit(t *testing.T) {
	l := newLedger(t)
	m := l.readyDuring(running())
	id := l.update(m, minigroup.UpdatePlan{Time: m.Time, Reserve: m.Reserve, Host: "a.b.c"})
	l.meanwhile(lockMinigroups, `
		INSERT INTO closed_room (room_id, class_id, timed_out) SELECT conference_room_id, id, false FROM minigroup`,
		nil, func() error {
			_, err := l.CommitUpdate(t.Context(), "run-2", id)
			return err
		})
	if now := l.read(m.ID); now.ClosedAt.IsZero() || now.Host != "a.b.c" {
		t.Fatalf("got %+v", now)
	}
	if open := l.openReservations(m.ID); len(open) != 1 || open[0].State != minigroup.ReservationReleasing {
		t.Fatalf("slots: %+v", open)
	}
}

func TestAMinigroupShowsAnUpdateThatWaitedToBegin(t *testing.T) {
	l := newLedger(t)
	m := l.ready("run-1", draft(0))
	failed := l.update(m, minigroup.UpdatePlan{Time: m.Time, Host: "a.b.c"})
	l.fail("run-2", m.ID, failed, minigroup.UpstreamRefused, false)
	if now := l.read(m.ID); now.Update == nil || now.Update.ID != failed {
		t.Fatalf("it shows %+v", now.Update)
	}
	e := minigroup.UpdateEntry{
		Claim: minigroup.Claim{Run: "run-2"}, ID: uuid.New(), ClassID: m.ID, Change: minigroup.Change{Host: new("d.e.f")},
		Plan: minigroup.UpdatePlan{Revision: m.Revision, Time: m.Time, Host: "d.e.f"},
	}
	l.meanwhile(lockMinigroups, `UPDATE minigroup SET looked_up_at = now()`, nil, func() error {
		return l.BeginUpdate(t.Context(), e)
	})
	now := l.read(m.ID)
	if now.Update == nil || now.Update.ID != e.ID || now.Update.State != minigroup.UpdateRunning {
		t.Fatalf("it shows %+v", now.Update)
	}
	l.commit("run-2", e.ID)
	if now := l.read(m.ID); now.Update != nil || now.Host != "d.e.f" || now.Revision != m.Revision+1 {
		t.Fatalf("it shows %+v at revision %d, after %d", now.Update, now.Revision, m.Revision)
	}
}

func TestAnUpdateThatNeedsNoOtherSlotsWaitsForNoAdmission(t *testing.T) {
	l := newLedger(t)
	m := l.readyDuring(hours(1, 2))
	tx, err := l.db.Begin(t.Context())
	l.must(err)
	_, err = tx.Exec(t.Context(), storage.LockAdmission)
	l.must(err)
	l.update(m, minigroup.UpdatePlan{Time: m.Time, Reserve: m.Reserve, Host: "a.b.c"})
	l.must(tx.Commit(t.Context()))
	if n := l.count(`SELECT count(*) FROM janus_reservation WHERE state = 'held' AND next_slots IS NULL`); n != 1 {
		t.Errorf("%d reservations are as they were", n)
	}
}

func TestAnAdmissionThatWaits(t *testing.T) {
	t.Run("sees which gateways have changed meanwhile", func(t *testing.T) {
		l := newLedger(t, 10, 10)
		l.meanwhile(storage.LockAdmission, `UPDATE janus_backend SET draining_since = now()`, nil, func() error {
			if _, kind := l.reserve(1, hours(1, 2)); kind != minigroup.CapacityExceeded {
				t.Errorf("got %q", kind)
			}
			return nil
		})
	})
	t.Run("sees what was reserved meanwhile", func(t *testing.T) {
		l := newLedger(t)
		m := l.readyDuring(hours(1, 2))
		l.meanwhile(storage.LockAdmission, `UPDATE janus_reservation SET slots = 10`, nil, func() error {
			if _, kind := l.reserve(1, m.Time); kind != minigroup.CapacityExceeded {
				t.Errorf("got %q", kind)
			}
			return nil
		})
	})
}

func TestChangesOfGatewaysWaitForAdmissions(t *testing.T) {
	for name, change := range map[string]func(ledger) error{
		"Drain": func(l ledger) error { return l.Drain(t.Context(), "janus-1", true) },
		"SyncBackends": func(l ledger) error {
			return l.SyncBackends(t.Context(), []minigroup.Backend{{ID: "janus-2", AdminURL: "u"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t, 10)
			l.meanwhile(storage.LockAdmission, `SELECT`, nil, func() error { return change(l) })
		})
	}
}
