package storage_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/storage/storagetest"
)

func TestLeases(t *testing.T) {
	t.Parallel()
	store, db := storagetest.New(t)
	renew := func(id uuid.UUID, want int) {
		t.Helper()
		if alive, err := store.RenewLease(t.Context(), id, time.Hour); err != nil || alive != want {
			t.Errorf("%d workers are alive, %v; want %d", alive, err, want)
		}
	}
	first, second, third := uuid.New(), uuid.New(), uuid.New()
	renew(first, 1)
	renew(first, 1)
	renew(second, 2)
	renew(third, 3)
	if err := store.EndLease(t.Context(), second); err != nil {
		t.Error(err)
	}
	renew(first, 2)
	_, err := db.Exec(t.Context(), `UPDATE worker_lease SET expires_at = now() WHERE id = $1`, third)
	if err != nil {
		t.Fatal(err)
	}
	renew(first, 1)
	renew(third, 2) // a worker that was frozen
	if _, err := db.Exec(t.Context(), `UPDATE worker_lease SET expires_at = now() - interval '2 hours'`); err != nil {
		t.Fatal(err)
	}
	renew(first, 1)
	var rows int
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM worker_lease`).Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d leases are left, %v", rows, err)
	}
}

func TestLeasesRenewedAtTheSameTime(t *testing.T) {
	t.Parallel()
	store, db := storagetest.New(t)
	ids := make([]uuid.UUID, 16)
	for i := range ids {
		ids[i] = uuid.New()
	}
	for range 5 {
		if _, err := db.Exec(t.Context(), `UPDATE worker_lease SET expires_at = now() - interval '2 hours'`); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for _, id := range ids {
			wg.Go(func() {
				if _, err := store.RenewLease(t.Context(), id, time.Hour); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if alive, err := store.RenewLease(t.Context(), ids[0], time.Hour); err != nil || alive != len(ids) {
			t.Errorf("%d workers are alive, %v", alive, err)
		}
	}
}
