package stack_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"minigroups/stack"
)

func startPostgres(t *testing.T, dir string) *stack.Postgres {
	t.Helper()
	options := stack.PostgresOptions{Dir: dir, Log: filepath.Join(t.TempDir(), "log"), Fast: true}
	p, err := stack.StartPostgres(t.Context(), options)
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

// sharedDir returns a new directory that every account can enter. Its cleanup also removes a cluster that is elsewhere.
func sharedDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "stack-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.RemovePostgres(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func word(t *testing.T, p *stack.Postgres) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.URL("things"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var word string
	if err := conn.QueryRow(t.Context(), "SELECT word FROM thing").Scan(&word); err != nil {
		t.Fatal(err)
	}
	return word
}

// fill creates a database with one row in it, the second time without effect.
func fill(t *testing.T, p *stack.Postgres) {
	t.Helper()
	for range 2 {
		if err := p.CreateDatabase(t.Context(), "things"); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgx.Connect(t.Context(), p.URL("things"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if _, err := conn.Exec(t.Context(), "CREATE TABLE thing AS SELECT 'kept'::text AS word"); err != nil {
		t.Fatal(err)
	}
}

func TestPostgres(t *testing.T) {
	t.Run("keeps its data through a stop and a kill", func(t *testing.T) {
		dir := sharedDir(t)
		p := startPostgres(t, dir)
		fill(t, p)
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		p = startPostgres(t, dir)
		if got := word(t, p); got != "kept" {
			t.Errorf("after a stop: %q", got)
		}
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		p = startPostgres(t, dir)
		if got := word(t, p); got != "kept" {
			t.Errorf("after a kill: %q", got)
		}
	})

	t.Run("does not answer connected clients while it is frozen, and does once it is thawed", func(t *testing.T) {
		p := startPostgres(t, sharedDir(t))
		conn, err := pgx.Connect(t.Context(), p.URL("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
		answered := make(chan error, 1)
		if err := p.Freeze(); err != nil {
			t.Fatal(err)
		}
		go func() {
			var one int
			answered <- conn.QueryRow(t.Context(), `SELECT 1`).Scan(&one)
		}()
		select {
		case err := <-answered:
			t.Errorf("it answered while frozen: %v", err)
		case <-time.After(200 * time.Millisecond):
		}
		p.Thaw()
		select {
		case err := <-answered:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Error("it does not answer after Thaw")
		}
	})
	t.Run("starts if the lock file names a process that is no server", func(t *testing.T) {
		dir := sharedDir(t)
		p := startPostgres(t, dir)
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		other := startShell(t, "sleep 600")
		data := dataDir(t, dir)
		lock := []string{itoa(other.PID()), data, "1", "1", "", "127.0.0.1", "0 0", ""}
		writeFile(t, filepath.Join(data, "postmaster.pid"), strings.Join(lock, "\n"))
		startPostgres(t, dir)
	})

	t.Run("starts if an initdb was interrupted", func(t *testing.T) {
		dir := sharedDir(t)
		draft := filepath.Join(dir, "data.new")
		if err := os.MkdirAll(draft, 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(draft, "PG_VERSION"), "15\n")
		startPostgres(t, dir)
	})

	t.Run("has its cluster elsewhere if its account cannot enter the directory", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Log("not root: the server can enter the directory, and the cluster stays there")
		}
		closed := filepath.Join(sharedDir(t), "closed")
		if err := os.Mkdir(closed, 0o700); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(closed, "postgres")
		p := startPostgres(t, dir)
		fill(t, p)
		data := dataDir(t, dir)
		if elsewhere := strings.HasPrefix(data, "/var/tmp/"); elsewhere != (os.Geteuid() == 0) {
			t.Errorf("the cluster is at %s", data)
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		p = startPostgres(t, dir)
		if got := word(t, p); got != "kept" {
			t.Errorf("after a stop: %q", got)
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := stack.RemovePostgres(dir); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{data, dir} {
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("%s is still there (%v)", path, err)
			}
		}
		if err := stack.RemovePostgres(dir); err != nil {
			t.Errorf("removed again: %v", err)
		}
	})

	t.Run("without a directory leaves none", func(t *testing.T) {
		for name, end := range map[string]func(*stack.Postgres) error{
			"stopped": func(p *stack.Postgres) error { return p.Stop(t.Context()) },
			"killed":  (*stack.Postgres).Kill,
		} {
			p := startPostgres(t, "")
			fill(t, p)
			conn, err := pgx.Connect(t.Context(), p.URL("things"))
			if err != nil {
				t.Fatal(err)
			}
			var data string
			if err := conn.QueryRow(t.Context(), "SHOW data_directory").Scan(&data); err != nil {
				t.Fatal(err)
			}
			if err := end(p); err != nil {
				t.Fatal(err)
			}
			_ = conn.Close(t.Context())
			if _, err := os.Stat(filepath.Dir(data)); !os.IsNotExist(err) {
				t.Errorf("%s: %s is still there (%v)", name, data, err)
			}
		}
	})

	t.Run("does not remove the directory that a forged record names", func(t *testing.T) {
		dir, precious := t.TempDir(), t.TempDir()
		writeFile(t, filepath.Join(dir, "cluster-is-at"), precious+"\n")
		if err := stack.RemovePostgres(dir); err == nil || !strings.Contains(err.Error(), precious) {
			t.Errorf("got %v", err)
		}
		if _, err := os.Stat(precious); err != nil {
			t.Error(err)
		}
	})

	t.Run("says which version to install for an existing cluster", func(t *testing.T) {
		dir := sharedDir(t)
		if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "data", "PG_VERSION"), "8\n")
		_, err := stack.StartPostgres(t.Context(), stack.PostgresOptions{Dir: dir})
		for _, words := range []string{"of PostgreSQL 8", "remove the data"} {
			if err == nil || !strings.Contains(err.Error(), words) {
				t.Errorf("%q is missing in %v", words, err)
			}
		}
	})

	t.Run("returns an error if its port is in use", func(t *testing.T) {
		first := startPostgres(t, "")
		options := stack.PostgresOptions{Port: first.Port(), Log: filepath.Join(t.TempDir(), "log")}
		_, err := stack.StartPostgres(t.Context(), options)
		if err == nil || !strings.Contains(err.Error(), "could not bind") {
			t.Errorf("got %v", err)
		}
	})
}

func dataDir(t *testing.T, dir string) string {
	t.Helper()
	if text, err := os.ReadFile(filepath.Join(dir, "cluster-is-at")); err == nil {
		dir = strings.TrimSpace(string(text))
	}
	data, err := filepath.EvalSymlinks(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAStandbyFollowsItsPrimaryUntilItIsPromoted(t *testing.T) {
	primary := startPostgres(t, sharedDir(t))
	options := stack.PostgresOptions{Log: filepath.Join(t.TempDir(), "log"), Fast: true, StandbyOf: primary}
	standby, err := stack.StartPostgres(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Kill(); err != nil {
			t.Error(err)
		}
	})
	fill(t, primary)
	deadline := time.Now().Add(30 * time.Second)
	for {
		conn, err := pgx.Connect(t.Context(), standby.URL("things"))
		if err == nil {
			err = conn.QueryRow(t.Context(), "SELECT word FROM thing").Scan(new(string))
			_ = conn.Close(t.Context())
		}
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), standby.URL("things"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), "UPDATE thing SET word = 'changed'"); err != nil {
		t.Error(err)
	}
}
