// Package storagetest provides tests with a Store on a real Postgres: one server per test binary, one database per
// test.
package storagetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/stack"
	"minigroups/storage"
)

var server *stack.Postgres

// SharedPort is the environment variable with the port of a migrated server that many test binaries share, one after
// the other: then none of them starts its own.
const SharedPort = "STORAGETEST_PORT"

// Main starts a Postgres server, runs the tests of a package and returns the exit code. Call it in TestMain:
// os.Exit(storagetest.Main(m)).
func Main(m *testing.M) int {
	if shared := os.Getenv(SharedPort); shared != "" {
		port, err := strconv.Atoi(shared)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s is no port: %v\n", SharedPort, err)
			return 1
		}
		server = stack.PostgresAt(port)
		return m.Run()
	}
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
	if _, err := storage.Migrate(ctx, server.URL("postgres"), nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Server returns the server of the test binary.
func Server() *stack.Postgres { return server }

// New returns a Store on a new, migrated database, and a connection to this database for the test's own queries. Both
// are closed when the test ends.
func New(t testing.TB) (*storage.Store, *pgx.Conn) {
	t.Helper()
	return Traced(t, nil)
}

// Traced is New with a tracer that receives every statement of the Store.
func Traced(t testing.TB, tracer pgx.QueryTracer) (*storage.Store, *pgx.Conn) {
	t.Helper()
	url := NewDatabase(t)
	return Open(t, storage.Options{URL: url, Tracer: tracer}), Connect(t, url)
}

// NewDatabase returns the URL of a new, migrated database.
func NewDatabase(t testing.TB) (url string) {
	t.Helper()
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	admin := Connect(t, server.URL("template1"))
	if _, err := admin.Exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE postgres"); err != nil {
		t.Fatal(err)
	}
	if os.Getenv(SharedPort) != "" {
		t.Cleanup(func() { dropDatabase(name) })
	}
	return server.URL(name)
}

// dropDatabase drops a database of a server that outlives the test. What is left of it costs only space.
func dropDatabase(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	admin, err := pgx.Connect(ctx, server.URL("template1"))
	if err != nil {
		return
	}
	defer func() { _ = admin.Close(ctx) }()
	_, _ = admin.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
}

// Open returns a Store that publishes events, on 16 connections. It is closed when the test ends.
func Open(t testing.TB, o storage.Options) *storage.Store {
	t.Helper()
	o.MaxConns, o.PublishEvents = 16, true
	store, err := storage.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

// Connect returns a connection that is closed when the test ends.
func Connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
