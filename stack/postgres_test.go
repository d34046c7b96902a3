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
	p, err := stack.StartPostgres(t.Context(), stack.PostgresOptions{Dir: dir, Log: filepath.Join(t.TempDir(), "log"), Fast: true})
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

// folder makes one that every account can enter, and removes the cluster in it
// after the servers have ended.
func folder(t *testing.T) string {
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

// fill makes a database with one row in it.
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
	t.Run("keeps its data over a stop and a kill", func(t *testing.T) {
		dir := folder(t)
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

	t.Run("frozen it answers nobody, those who are connected neither, and goes on when thawed", func(t *testing.T) {
		p := startPostgres(t, folder(t))
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
			t.Errorf("frozen it answered: %v", err)
		case <-time.After(200 * time.Millisecond):
		}
		p.Thaw()
		select {
		case err := <-answered:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Error("thawed it does not answer")
		}
	})
	t.Run("starts where a lock names a process that is somebody else", func(t *testing.T) {
		dir := folder(t)
		p := startPostgres(t, dir)
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		other := startShell(t, "sleep 600")
		data := dataFolder(t, dir)
		writeFile(t, filepath.Join(data, "postmaster.pid"), strings.Join([]string{itoa(other.PID()), data, "1", "1", "", "127.0.0.1", "0 0", ""}, "\n"))
		startPostgres(t, dir)
	})

	t.Run("starts where an initdb was interrupted", func(t *testing.T) {
		dir := folder(t)
		draft := filepath.Join(dir, "data.new")
		if err := os.MkdirAll(draft, 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(draft, "PG_VERSION"), "15\n")
		startPostgres(t, dir)
	})

	t.Run("lies elsewhere when its account cannot enter the folder, and is removed from there", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Log("not root: it may enter every folder of ours, and the cluster stays there")
		}
		closed := filepath.Join(folder(t), "closed")
		if err := os.Mkdir(closed, 0o700); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(closed, "postgres")
		p := startPostgres(t, dir)
		fill(t, p)
		data := dataFolder(t, dir)
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

	t.Run("without a folder leaves none", func(t *testing.T) {
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

	t.Run("does not remove what a forged record names", func(t *testing.T) {
		dir, precious := t.TempDir(), t.TempDir()
		writeFile(t, filepath.Join(dir, "cluster-is-at"), precious+"\n")
		if err := stack.RemovePostgres(dir); err == nil || !strings.Contains(err.Error(), precious) {
			t.Errorf("got %v", err)
		}
		if _, err := os.Stat(precious); err != nil {
			t.Error(err)
		}
	})

	t.Run("of another version is refused in words", func(t *testing.T) {
		dir := folder(t)
		if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "data", "PG_VERSION"), "8\n")
		_, err := stack.StartPostgres(t.Context(), stack.PostgresOptions{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), "of PostgreSQL 8") || !strings.Contains(err.Error(), "remove the data") {
			t.Errorf("got %v", err)
		}
	})

	t.Run("says so when its port is taken", func(t *testing.T) {
		first := startPostgres(t, "")
		_, err := stack.StartPostgres(t.Context(), stack.PostgresOptions{Port: first.Port(), Log: filepath.Join(t.TempDir(), "log")})
		if err == nil || !strings.Contains(err.Error(), "could not bind") {
			t.Errorf("got %v", err)
		}
	})
}

func dataFolder(t *testing.T, dir string) string {
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
