// Package stacktest starts, for tests, parts of package stack that need other parts.
package stacktest

import (
	"io"
	"path/filepath"
	"testing"

	"minigroups/stack"
)

// TemporalServer starts Temporal's production server on a Postgres of its own; both end with the test. It returns the
// options with which the server can be started again: those of o, and what o leaves out. root is the folder of the
// repository.
func TemporalServer(
	t testing.TB, root string, o stack.TemporalServerOptions,
) (*stack.Temporal, stack.TemporalServerOptions) {
	t.Helper()
	dir := t.TempDir()
	var err error
	if o.Binary, o.SchemaTool, err = stack.BuildTemporalServer(t.Context(), root, io.Discard); err != nil {
		t.Fatal(err)
	}
	o.Postgres, err = stack.StartPostgres(t.Context(), stack.PostgresOptions{
		Fast: true, Log: filepath.Join(dir, "postgres.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Postgres.Kill() })
	if o.Ports, err = stack.FreeTemporalPorts(); err != nil {
		t.Fatal(err)
	}
	o.Dir, o.Log = filepath.Join(dir, "temporal"), filepath.Join(dir, "temporal.log")
	return StartTemporalServer(t, o), o
}

// StartTemporalServer starts the server again. It ends with the test.
func StartTemporalServer(t testing.TB, o stack.TemporalServerOptions) *stack.Temporal {
	t.Helper()
	server, err := stack.StartTemporalServer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Kill() })
	return server
}
