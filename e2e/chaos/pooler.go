package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"minigroups/e2e/harness"
	"minigroups/stack"
)

const (
	// poolerConnections is how many connections PgBouncer has to Postgres, fewer than the programs have to it.
	poolerConnections = 12
	// poolerRetry is for how long PgBouncer may still say that Postgres is away when it is back: a second, and the time
	// that the next attempt takes.
	poolerRetry = 2 * time.Second
	// poolerNoticed is how long after its end it may be noticed that a PgBouncer has ended by itself.
	poolerNoticed = time.Second
)

// startPooler starts a PgBouncer in front of the primary. The role gets the timeouts that programs cannot set through
// it. After a failover it is restarted with the address of the new primary, as docs/postgres.md says.
func (s *system) startPooler(ctx context.Context) error {
	primary, ok := s.postgres.Running().(*stack.Postgres)
	if !ok {
		return fmt.Errorf("the primary is a %T", s.postgres.Running())
	}
	servers := [2]*stack.Postgres{primary, s.database.other}
	port, err := stack.FreePort()
	if err != nil {
		return err
	}
	s.poolerAddress = fmt.Sprintf("127.0.0.1:%d", port)
	s.pooler = harness.NewPart("pgbouncer", s.faults, func(ctx context.Context) (harness.Process, error) {
		return stack.StartPgBouncer(ctx, stack.PgBouncerOptions{
			Postgres: servers[s.database.primary.Load()], Port: port, Mode: "transaction", Connections: poolerConnections,
			Log: s.log("pgbouncer"),
		})
	})
	s.pooler.Probe = func(ctx context.Context) error { return stack.PingPgBouncer(ctx, s.poolerAddress) }
	if err := s.pooler.Start(ctx); err != nil {
		return err
	}
	// After requests to cancel a query, PgBouncer 1.18 rarely ends by itself, with "bad client state: 0", or hangs. A
	// supervisor starts it again.
	s.supervised.Go(func() { s.pooler.Supervise(ctx) })
	s.cfg.Database.Pooler = true
	return setRoleTimeouts(ctx, s.db)
}

func setRoleTimeouts(ctx context.Context, db *pgxpool.Pool) error {
	for _, setting := range []string{"statement_timeout", "idle_in_transaction_session_timeout"} {
		if _, err := db.Exec(ctx, "ALTER ROLE postgres SET "+setting+" = '10s'"); err != nil {
			return err
		}
	}
	return nil
}

// databaseAddresses are where programs reach Postgres.
func (s *system) databaseAddresses() []string {
	if s.pooler != nil {
		return []string{s.poolerAddress}
	}
	return s.database.addresses()
}
