package storage_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// The times depend on each other: a caller of a read must reach the second host of the URL, or another connection,
// while the first one is down.
func TestConnectionsAreBounded(t *testing.T) {
	l := newLedger(t)
	cfg := l.PoolConfig()
	conn := cfg.ConnConfig
	timeout, idle := conn.RuntimeParams["statement_timeout"], conn.RuntimeParams["idle_in_transaction_session_timeout"]
	if timeout != "10000" || idle != timeout {
		t.Errorf("statements end after %q ms, transactions without any after %q ms", timeout, idle)
	}
	for what, bound := range map[string]time.Duration{
		"connect": conn.ConnectTimeout, "answer a ping": storage.PingTimeout,
	} {
		if bound < time.Second || bound >= storage.ReadTimeout {
			t.Errorf("a server has %s to %s, a read ends after %s", bound, what, storage.ReadTimeout)
		}
	}
	if storage.ReadSlow < time.Millisecond || storage.ReadSlow > storage.ReadTimeout/10 {
		t.Errorf("another query reads beside one that takes %s", storage.ReadSlow)
	}
	if cfg.MaxConnLifetime < time.Minute || cfg.MaxConnLifetimeJitter < cfg.MaxConnLifetime/10 {
		t.Errorf("connections are used for %s and up to %s more", cfg.MaxConnLifetime, cfg.MaxConnLifetimeJitter)
	}
}

func TestAMigrationLetsOthersPassForLongerThanItMakesThemWait(t *testing.T) {
	if storage.LockPause < 2*storage.LockTimeout || storage.LockLimit < 10*storage.LockPause {
		t.Errorf("a migration waits for %s, pauses for %s, and gives up after %s",
			storage.LockTimeout, storage.LockPause, storage.LockLimit)
	}
}

func TestAQuarterOfTheConnectionsIsForReads(t *testing.T) {
	for _, c := range []struct{ all, writes, reads int32 }{
		{all: 2, writes: 1, reads: 1}, {all: 12, writes: 9, reads: 3}, {all: 40, writes: 36, reads: 4},
	} {
		s, err := storage.Open(t.Context(), storage.Options{URL: storagetest.Server().URL("postgres"), MaxConns: c.all})
		if err != nil {
			t.Fatal(err)
		}
		if writes, reads := s.PoolStats().MaxConns(), s.ReadPoolStats().MaxConns(); writes != c.writes || reads != c.reads {
			t.Errorf("of %d connections, %d are for writes and %d for reads", c.all, writes, reads)
		}
		s.Close()
	}
}

func TestAConnectionThatWasNotUsedIsPinged(t *testing.T) {
	discards := 0
	url := storagetest.NewDatabase(t)
	s := storagetest.Open(t, storage.Options{URL: url, Discarded: func(error) { discards++ }})
	alive, dead, admin := storagetest.Connect(t, url), storagetest.Connect(t, url), storagetest.Connect(t, url)
	if _, err := admin.Exec(t.Context(), `SELECT pg_terminate_backend($1)`, dead.PgConn().PID()); err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	for _, c := range []struct {
		name     string
		ctx      context.Context
		conn     *pgx.Conn
		idle     time.Duration
		unusable bool
		discards int
	}{
		{name: "one that was used is not", ctx: t.Context(), conn: dead, idle: time.Second},
		{name: "one that answers is used", ctx: t.Context(), conn: alive, idle: 2 * time.Second},
		{name: "one that does not is closed with all others", ctx: t.Context(), conn: dead, idle: 2 * time.Second,
			unusable: true, discards: 1},
		{name: "a caller that is gone says nothing about the others", ctx: ended, conn: alive, idle: 2 * time.Second,
			unusable: true},
	} {
		discards = 0
		unusable := s.PoolConfig().ShouldPing(c.ctx, pgxpool.ShouldPingParams{Conn: c.conn, IdleDuration: c.idle})
		if unusable != c.unusable || discards != c.discards {
			t.Errorf("%s: unusable is %v after %d discards", c.name, unusable, discards)
		}
	}
}

func TestAnErrorOfTheServerClosesAllConnections(t *testing.T) {
	discards := 0
	url := storagetest.NewDatabase(t)
	s := storagetest.Open(t, storage.Options{URL: url, Discarded: func(error) { discards++ }})
	conn, err := s.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := conn.Exec(ended, `SELECT 1`); err == nil || discards != 0 {
		t.Errorf("a caller that is gone got %v, %d discards", err, discards)
	}
	if _, err := conn.Exec(t.Context(), `SELECT 1/0`); err == nil || discards != 0 {
		t.Errorf("a statement that is wrong got %v, %d discards", err, discards)
	}
	if _, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pg_backend_pid())`); err == nil || discards != 1 {
		t.Errorf("a server that has ended the session gave %v, %d discards", err, discards)
	}
}

func TestAConnectionIsWatchedForWritesThatTheServerRefuses(t *testing.T) {
	l := newLedger(t)
	conn := l.db.PgConn()
	validate := l.PoolConfig().ConnConfig.ValidateConnect
	expect := func(when string, want bool) {
		t.Helper()
		if got := storage.HasBecomeReadOnly(conn); got != want {
			t.Errorf("%s: got %v", when, got)
		}
	}
	l.must(validate(t.Context(), conn))
	expect("after it was made", false)
	l.exec(`SET default_transaction_read_only = on`)
	expect("after the change", true)
	if err := validate(t.Context(), conn); err == nil {
		t.Error("a connection that accepts no writes was accepted")
	}
	l.exec(`SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE`)
	l.exec(`SET default_transaction_read_only = off`)
	expect("after it was changed back", false)
	// A pooler may say what was true of the server before.
	l.exec(`SET default_transaction_read_only = on`)
	l.exec(`BEGIN READ WRITE`)
	l.must(validate(t.Context(), conn))
	expect("after it was made where the default was so already", false)
	l.exec(`COMMIT`)
}

func TestAnUpdateRequestsSlotsOnlyToKeepThem(t *testing.T) {
	for _, c := range []struct {
		name string
		u    minigroup.UpdateEntry
		want int32
	}{
		{name: "gateways", u: minigroup.UpdateEntry{
			Gateways: true, Plan: minigroup.UpdatePlan{Reserve: new(int32(7))}}, want: 7},
		{name: "no gateways", u: minigroup.UpdateEntry{Plan: minigroup.UpdatePlan{Reserve: new(int32(7))}}},
		{name: "it ends the class", u: minigroup.UpdateEntry{
			Gateways: true, Plan: minigroup.UpdatePlan{Reserve: new(int32(7)), Ends: true}}},
		{name: "no number", u: minigroup.UpdateEntry{Gateways: true}},
	} {
		if got := storage.UpdateSlots(c.u); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}
