package storage_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/stack"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// ourSettings are the start-up parameters that PgBouncer refuses unless it is told to ignore them.
var ourSettings = []string{
	"statement_timeout", "idle_in_transaction_session_timeout", "plan_cache_mode", "lock_timeout",
}

// startPgBouncer starts a pooler in front of the server of the tests.
func startPgBouncer(t *testing.T, mode string, connections int, ignore ...string) *stack.PgBouncer {
	t.Helper()
	p, err := stack.StartPgBouncer(t.Context(), stack.PgBouncerOptions{
		Postgres: storagetest.Server(), Mode: mode, Connections: connections, Ignore: ignore,
		Log: filepath.Join(t.TempDir(), "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// through returns the URLs of a new database behind the pooler and without it. With timeouts, the database has those
// that docs/postgres.md asks for.
func through(t *testing.T, p *stack.PgBouncer, timeouts bool) (pooled, direct string) {
	t.Helper()
	direct = storagetest.NewDatabase(t)
	cfg, err := pgx.ParseConfig(direct)
	if err != nil {
		t.Fatal(err)
	}
	if timeouts {
		conn := storagetest.Connect(t, direct)
		for _, name := range []string{"statement_timeout", "idle_in_transaction_session_timeout"} {
			_, err := conn.Exec(t.Context(), fmt.Sprintf("ALTER DATABASE %s SET %s = '10s'", cfg.Database, name))
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return p.URL(cfg.Database), direct
}

// TestEveryWriteSucceedsThroughPgBouncer makes concurrent creates and updates share sessions.
func TestEveryWriteSucceedsThroughPgBouncer(t *testing.T) {
	for mode, connections := range map[string]int{"transaction": 4, "session": 20} { // a Store has 16
		t.Run(mode, func(t *testing.T) {
			pooled, direct := through(t, startPgBouncer(t, mode, connections), true)
			s := storagetest.Open(t, storage.Options{URL: pooled, Pooler: true})
			l := ledger{t, s, storagetest.Connect(t, direct)}
			l.must(l.CheckSessions(t.Context()))
			l.must(l.Ready(t.Context()))
			l.gateways(10_000)
			t.Run("concurrently", func(t *testing.T) {
				for i := range 16 {
					t.Run(fmt.Sprint(i), func(t *testing.T) {
						t.Parallel()
						l := ledger{t, s, storagetest.Connect(t, direct)}
						for range 6 {
							later := hours(5, 6)
							m := l.ready("run-1", unique())
							id := l.update(m, minigroup.UpdatePlan{
								Time: later, Reserve: new(int32(2)), Host: m.Host, Patch: minigroup.ConferencePatch{Time: &later},
							})
							l.commit("run-2", id)
							l.read(m.ID)
						}
					})
				}
			})
			exercise(l)
		})
	}
}

func TestAPoolerThatIsNotConfiguredIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		ignore   []string
		timeouts bool
		pooler   bool
		want     string
	}{
		"it refuses our settings":    {want: "database.pooler"},
		"it ignores our settings":    {ignore: ourSettings, want: "database.pooler"},
		"it shares sessions":         {ignore: ourSettings, timeouts: true, want: "database.pooler"},
		"the role lacks a timeout":   {pooler: true, want: "statement_timeout"},
		"everything is as it should": {pooler: true, timeouts: true},
	} {
		t.Run(name, func(t *testing.T) {
			pooled, _ := through(t, startPgBouncer(t, "transaction", 4, c.ignore...), c.timeouts)
			s := storagetest.Open(t, storage.Options{URL: pooled, Pooler: c.pooler})
			err := s.CheckSessions(t.Context())
			var unsuitable *storage.SessionError
			if errors.As(err, &unsuitable) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("statement mode", func(t *testing.T) {
		pooled, _ := through(t, startPgBouncer(t, "statement", 4), true)
		s := storagetest.Open(t, storage.Options{URL: pooled, Pooler: true})
		if err := s.CheckSessions(t.Context()); err == nil || !strings.Contains(err.Error(), "statement") {
			t.Errorf("got %v", err)
		}
	})
}

func TestMigrateRefusesAPooler(t *testing.T) {
	for name, c := range map[string]struct {
		mode     string
		ignore   []string
		timeouts bool
	}{
		"that refuses its settings":      {mode: "transaction"},
		"that ignores its settings":      {mode: "transaction", ignore: ourSettings},
		"in session mode, ignoring them": {mode: "session", ignore: ourSettings, timeouts: true},
	} {
		t.Run(name, func(t *testing.T) {
			pooled, _ := through(t, startPgBouncer(t, c.mode, 4, c.ignore...), c.timeouts)
			_, err := storage.Migrate(t.Context(), pooled, nil)
			var unsuitable *storage.SessionError
			if !errors.As(err, &unsuitable) || !strings.Contains(err.Error(), "Postgres itself") {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("that shares sessions and has its settings", func(t *testing.T) {
		pooled, direct := through(t, startPgBouncer(t, "transaction", 4, ourSettings...), false)
		conn := storagetest.Connect(t, direct)
		if _, err := conn.Exec(t.Context(), fmt.Sprintf("ALTER DATABASE %s SET lock_timeout = '1s'",
			conn.Config().Database)); err != nil {
			t.Fatal(err)
		}
		_, err := storage.Migrate(t.Context(), pooled, nil)
		var unsuitable *storage.SessionError
		if !errors.As(err, &unsuitable) || !strings.Contains(err.Error(), "shares sessions") {
			t.Errorf("got %v", err)
		}
	})
}
