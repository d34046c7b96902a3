package storage_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"minigroups/stack"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// durable undoes what makes the servers of tests fast.
var durable = []string{"fsync=on", "synchronous_commit=on"}

func TestPoolsThatDoNotFitAreWarnedOf(t *testing.T) {
	server := startServer(t, stack.PostgresOptions{Settings: append([]string{"max_connections=40"}, durable...)})
	admin := storagetest.Connect(t, server.URL("postgres"))
	exec := func(statement string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE ROLE limited LOGIN`)
	u, err := url.Parse(server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User("limited")
	start := func(program string) *storage.Store {
		s := storagetest.Open(t, storage.Options{URL: u.String(), Program: program})
		if err := s.CheckSessions(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s
	}
	api := start("api")
	start("worker")
	expectWarnings(t, api) // 32 and the test's own, of 37
	migrate := start("migrate")
	expectWarnings(t, migrate) // it has no pool to fill

	exec(`ALTER ROLE limited CONNECTION LIMIT 31`)
	expectWarnings(t, api, "the role allows 31, and 2 processes with database.max_conns 16 may open 32")
	exec(`ALTER ROLE limited CONNECTION LIMIT -1`)
	exec(`ALTER DATABASE postgres CONNECTION LIMIT 34`)
	expectWarnings(t, api, "connection limit of the database allows 34")
	exec(`ALTER DATABASE postgres CONNECTION LIMIT -1`)
	for range 4 { // three more than fit
		storagetest.Connect(t, server.URL("postgres"))
	}
	expectWarnings(t, api, "max_connections 40 less the reserved 3 allows 37")
	expectWarnings(t, migrate, "max_connections 40 less the reserved 3 allows 37")
}

// TestPoolsBehindAPoolerAreNotCounted has a server with fewer connections than one process has.
func TestPoolsBehindAPoolerAreNotCounted(t *testing.T) {
	server := startServer(t, stack.PostgresOptions{Settings: append([]string{"max_connections=15"}, durable...)})
	direct := storagetest.Open(t, storage.Options{URL: server.URL("postgres"), Program: "api"})
	expectWarnings(t, direct, "max_connections 15")
	pooler, err := stack.StartPgBouncer(t.Context(), stack.PgBouncerOptions{
		Postgres: server, Mode: "transaction", Connections: 4, Log: t.TempDir() + "/log",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pooler.Kill(); err != nil {
			t.Error(err)
		}
	})
	expectWarnings(t, storagetest.Open(t, storage.Options{URL: pooler.URL("postgres"), Program: "api", Pooler: true}))
}

func TestLackOfDurabilityIsWarnedOf(t *testing.T) {
	fast := storagetest.Open(t, storage.Options{URL: storagetest.Server().URL("postgres")})
	expectWarnings(t, fast, "synchronous_commit is off", "fsync is off")
}

// expectWarnings checks that the warnings are those that contain the texts.
func expectWarnings(t *testing.T, s *storage.Store, want ...string) {
	t.Helper()
	got, err := s.Warnings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	matches := slices.EqualFunc(got, want, strings.Contains)
	if !matches {
		t.Errorf("got %q, want %q", got, want)
	}
}
