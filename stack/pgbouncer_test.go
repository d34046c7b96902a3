package stack

import (
	"context"
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

func TestPingPgBouncer(t *testing.T) {
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	p, err := StartPgBouncer(t.Context(), PgBouncerOptions{
		Postgres: PostgresAt(1), Port: port, Mode: "transaction", Connections: 1, Log: filepath.Join(t.TempDir(), "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	ping := func(limit time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		return PingPgBouncer(ctx, address)
	}
	if err := ping(10 * time.Second); err != nil {
		t.Errorf("it runs, without Postgres: %v", err)
	}
	if err := p.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := ping(200 * time.Millisecond); err == nil {
		t.Error("it is frozen, and answers")
	}
	p.Thaw()
	if err := ping(10 * time.Second); err != nil {
		t.Errorf("it runs again: %v", err)
	}
}
