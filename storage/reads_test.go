package storage_test

import (
	"sync"
	"testing"

	"minigroups/minigroup"
	"minigroups/storage/storagetest"
)

func TestReadsOutliveTheirConnections(t *testing.T) {
	s, db := storagetest.New(t)
	m := ready(t, s, "run-1", minigroup.Draft{Audience: "example.org", Scope: "read", Host: "h"})
	for range 20 {
		var wg sync.WaitGroup
		for range 16 { // each on a connection of its own
			wg.Go(func() {
				if _, err := s.ByID(t.Context(), m.ClassID()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		_, err := db.Exec(t.Context(), `
			SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		if err != nil {
			t.Fatal(err)
		}
	}
}
