package storage_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/stack"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// pair is a primary and its standby, with a ledger that knows the addresses of both, the primary's first.
type pair struct {
	ledger
	primary, standby *stack.Postgres
	// old is a Store that knows only the address of the primary.
	old *storage.Store
}

func newPair(t *testing.T) pair {
	t.Helper()
	primary := startServer(t, stack.PostgresOptions{})
	if _, err := storage.Migrate(t.Context(), primary.URL("postgres"), nil); err != nil {
		t.Fatal(err)
	}
	standby := startServer(t, stack.PostgresOptions{StandbyOf: primary})
	old := storagetest.Open(t, storage.Options{URL: primary.URL("postgres")})
	both := storagetest.Open(t, storage.Options{URL: strings.Replace(primary.URL("postgres"),
		fmt.Sprintf(":%d", primary.Port()), fmt.Sprintf(":%d,127.0.0.1:%d", primary.Port(), standby.Port()), 1)})
	l := ledger{t, both, storagetest.Connect(t, primary.URL("postgres"))}
	l.gateways(100)
	return pair{ledger: l, primary: primary, standby: standby, old: old}
}

func startServer(t *testing.T, o stack.PostgresOptions) *stack.Postgres {
	t.Helper()
	o.Fast, o.Log = true, filepath.Join(t.TempDir(), "log")
	server, err := stack.StartPostgres(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Thaw()
		if err := server.Kill(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// connected makes both pools connect, and returns a class that the standby has, too.
func (p pair) connected() minigroup.Minigroup {
	p.Helper()
	m := p.ready("run-1", unique())
	p.read(m.ID)
	conn := storagetest.Connect(p.T, p.standby.URL("postgres"))
	eventually(p.T, "the standby has the class", func() error {
		return conn.QueryRow(p.Context(), `SELECT host FROM minigroup WHERE id = $1`, m.ID).Scan(new(string))
	})
	return m
}

// fence makes the primary read-only, and keeps its connections.
func (p pair) fence(value string) {
	p.Helper()
	p.exec(`SET default_transaction_read_only = off`)
	p.exec(`ALTER SYSTEM SET default_transaction_read_only = ` + value)
	p.exec(`SELECT pg_reload_conf()`)
	eventually(p.T, "the primary is read-only: "+value, func() error {
		conn, err := pgx.Connect(p.Context(), p.primary.URL("postgres"))
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(p.Context()) }()
		var now string
		if err := conn.QueryRow(p.Context(), `SHOW transaction_read_only`).Scan(&now); err != nil || now != value {
			return fmt.Errorf("it is %s, %w", now, err)
		}
		return nil
	})
}

// promote makes the standby the primary, and changes the class there.
func (p pair) promote(m minigroup.Minigroup) {
	p.Helper()
	p.must(p.standby.Promote(p.Context()))
	_, err := storagetest.Connect(p.T, p.standby.URL("postgres")).Exec(p.Context(),
		`UPDATE minigroup SET host = 'new.example.org' WHERE id = $1`, m.ID)
	p.must(err)
}

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s: %v", what, err)
		}
	}
}

func TestTheStoreFollowsAFailover(t *testing.T) {
	t.Run("from a primary that is read-only and keeps its connections", func(t *testing.T) {
		p := newPair(t)
		m := p.connected()
		p.must(p.old.Ready(t.Context()))
		p.fence("on")
		p.promote(m)
		if now := p.read(m.ID); now.Host != "new.example.org" {
			t.Errorf("the class is read from the old primary: %s", now.Host)
		}
		p.ready("run-2", unique())
		p.must(p.Ready(t.Context()))
	})

	t.Run("by the first write", func(t *testing.T) {
		p := newPair(t)
		m := p.connected()
		p.fence("on")
		p.promote(m)
		p.ready("run-2", unique())
	})

	t.Run("from a primary that was killed", func(t *testing.T) {
		p := newPair(t)
		m := p.connected()
		p.must(p.primary.Kill())
		p.promote(m)
		if now := p.read(m.ID); now.Host != "new.example.org" {
			t.Errorf("got %s", now.Host)
		}
		p.ready("run-2", unique())
	})

	t.Run("from a primary that does not answer", func(t *testing.T) {
		p := newPair(t)
		m := p.connected()
		p.must(p.primary.Freeze())
		t.Cleanup(p.primary.Thaw) // before the Store closes its connections
		p.promote(m)
		eventually(t, "the class is read from the new primary", func() error {
			now, err := p.ByID(t.Context(), m.ID)
			if err == nil && now.Host != "new.example.org" {
				t.Fatalf("it is read from the old primary: %s", now.Host)
			}
			return err
		})
		eventually(t, "a class can be created", func() error {
			_, err := p.BeginCreate(t.Context(), entry("run-2", named("other")))
			return err
		})
	})
}

// TestAReadOnlyServerIsNotReady has no other server.
func TestAReadOnlyServerIsNotReady(t *testing.T) {
	p := newPair(t)
	m := p.connected()
	p.must(p.old.Ready(t.Context()))
	p.fence("on")
	for range 2 { // on an old connection, then on a new one
		if err := p.old.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("got %v", err)
		}
	}
	if _, err := p.old.ByID(t.Context(), m.ID); err == nil {
		t.Error("it answers reads, which may be out of date")
	}
	p.fence("off")
	p.must(p.old.Ready(t.Context()))
	if _, err := p.old.ByID(t.Context(), m.ID); err != nil {
		t.Error(err)
	}
}

// TestAStandbyIsRefused checks the connections to a server that never was a primary.
func TestAStandbyIsRefused(t *testing.T) {
	p := newPair(t)
	s := storagetest.Open(t, storage.Options{URL: p.standby.URL("postgres")})
	if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("got %v", err)
	}
	if _, err := storage.Migrate(t.Context(), p.standby.URL("postgres"), nil); err == nil {
		t.Error("it migrates a standby")
	}
}

// TestStatementsAreReplannedAfterAMigration changes the type of a column that prepared statements return.
func TestStatementsAreReplannedAfterAMigration(t *testing.T) {
	l := newLedger(t, 100)
	m := l.ready("run-1", unique())
	var failed error
	for range 8 { // prepares the statements on several connections
		_, err := l.ByID(t.Context(), m.ID)
		failed = errors.Join(failed, err)
	}
	l.must(failed)
	l.exec(`ALTER TABLE minigroup ALTER COLUMN host TYPE varchar(255)`)
	l.read(m.ID)
	l.ready("run-2", unique())
}
