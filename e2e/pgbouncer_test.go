package e2e

import (
	"net/http"
	"sync"
	"testing"

	"minigroups/stack"
)

// TestEveryPutSucceedsThroughPgBouncer runs API and worker behind a pooler in transaction mode that has fewer sessions
// than they have connections, with the role that docs/postgres.md describes.
func TestEveryPutSucceedsThroughPgBouncer(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		`CREATE ROLE pooled SUPERUSER LOGIN`,
		`ALTER ROLE pooled SET statement_timeout = '10s'`,
		`ALTER ROLE pooled SET idle_in_transaction_session_timeout = '10s'`,
	} {
		if _, err := sut.db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	pooler, err := stack.StartPgBouncer(t.Context(), stack.PgBouncerOptions{
		Postgres: sut.postgres, User: "pooled", Mode: "transaction", Connections: 5, Log: sut.log("pgbouncer"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pooler.Kill(); err != nil {
			t.Error(err)
		}
	})
	_, address := anotherAPI(t, "pooled-api",
		"MINIGROUPS_API__WORKER=true", "MINIGROUPS_TEMPORAL__TASK_QUEUE=pooled",
		"MINIGROUPS_DATABASE__URL="+pooler.URL("postgres"), "MINIGROUPS_DATABASE__POOLER=true")
	api := "http://" + address
	var wg sync.WaitGroup
	for range 16 {
		c := newClass(t)
		wg.Go(func() {
			r, err := sendTo(t.Context(), api, http.MethodPost, "/api/v1/minigroups", c.body, "Prefer", "wait=60")
			if err != nil || r.code != http.StatusCreated {
				t.Errorf("a POST: got %d %s, %v", r.code, r.text, err)
				return
			}
			for i := range int64(6) {
				moved := c.start + 60*(i+1)
				r, err := sendTo(
					t.Context(), api, http.MethodPut, c.path(), window(moved, c.start+3600), "Prefer", "wait=60")
				if err != nil || r.code != http.StatusOK || r.Time[0] == nil || *r.Time[0] != moved {
					t.Errorf("a PUT: got %d %s, %v", r.code, r.text, err)
				}
			}
		})
	}
	defer wg.Wait() // also if the test fails here
	assertWaits(t, api)
}
