// Package storagetest provides tests with a Store on a real Postgres: one server per test binary, one database per
// test.
package storagetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/stack"
	"minigroups/storage"
)

var server *stack.Postgres

// Main starts a Postgres server, runs the tests of a package and returns the exit code. Call it in TestMain:
// os.Exit(storagetest.Main(m)).
func Main(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "minigroups-storage")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	options := stack.PostgresOptions{Log: filepath.Join(dir, "postgres.log"), Fast: true}
	if server, err = stack.StartPostgres(ctx, options); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = server.Stop(context.Background()) }()
	if _, err := storage.Migrate(ctx, server.URL("postgres")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// New returns a Store on a new, migrated database, and a connection to this database for the test's own queries. Both
// are closed when the test ends.
func New(t testing.TB) (*storage.Store, *pgx.Conn) {
	t.Helper()
	return Traced(t, nil)
}

// Traced is New with a tracer that receives every statement of the Store.
func Traced(t testing.TB, tracer pgx.QueryTracer) (*storage.Store, *pgx.Conn) {
	t.Helper()
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	admin := connect(t, "template1")
	if _, err := admin.Exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE postgres"); err != nil {
		t.Fatal(err)
	}
	store, err := storage.Open(t.Context(), storage.Options{
		URL: server.URL(name), MaxConns: 16, PublishEvents: true, Tracer: tracer,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store, connect(t, name)
}

func connect(t testing.TB, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
