package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"minigroups/e2e/harness"
	"minigroups/stack"
)

// database is two Postgres servers. The second one is a synchronous standby of the first: a commit is acknowledged once
// both have it. Once in a run the standby takes over, and from then on the other one is not used.
type database struct {
	dir   string
	log   func(name string) string
	ports [2]int
	// primary is the index of the primary.
	primary atomic.Int32
	// other is the standby, and after the failover the old primary, if it still runs.
	other *stack.Postgres
}

func newDatabase(dir string, log func(name string) string) (*database, error) {
	d := &database{dir: dir, log: log}
	for i := range d.ports {
		var err error
		if d.ports[i], err = stack.FreePort(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// addresses are those of both servers, the first primary's first.
func (d *database) addresses() (addresses []string) {
	for _, port := range d.ports {
		addresses = append(addresses, fmt.Sprintf("127.0.0.1:%d", port))
	}
	return addresses
}

// url returns the connection string for servers at these addresses.
func (d *database) url(addresses []string) string {
	return "postgres://postgres@" + strings.Join(addresses, ",") + "/postgres?target_session_attrs=read-write"
}

func (d *database) options(i int) stack.PostgresOptions { // not Fast, which is not durable
	name := fmt.Sprintf("postgres-%d", i+1)
	return stack.PostgresOptions{Dir: filepath.Join(d.dir, name), Port: d.ports[i], Log: d.log(name)}
}

// startPrimary starts the present primary, now and after a fault.
func (d *database) startPrimary(ctx context.Context) (harness.Process, error) {
	o := d.options(int(d.primary.Load()))
	if d.primary.Load() == 0 {
		// The standby needs the log of the primary also if it is late.
		o.Settings = []string{"synchronous_standby_names=*", "wal_keep_size=1GB"}
	}
	return stack.StartPostgres(ctx, o)
}

// startStandby copies the primary, which must run.
func (d *database) startStandby(ctx context.Context, primary harness.Process) (err error) {
	running, ok := primary.(*stack.Postgres)
	if !ok {
		return fmt.Errorf("the primary is a %T", primary)
	}
	o := d.options(1)
	o.StandbyOf, o.Settings = running, []string{"wal_retrieve_retry_interval=100ms"}
	d.other, err = stack.StartPostgres(ctx, o)
	return err
}

// stop ends the server that is not the primary, and removes both clusters.
func (d *database) stop(ctx context.Context, keep bool) {
	if d.other != nil {
		if err := d.other.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	for i := range d.ports {
		if keep {
			return
		}
		if err := stack.RemovePostgres(d.options(i).Dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

// failOver makes the standby the primary. The old primary is killed, or it becomes read-only and keeps its connections,
// as one does that an operator has replaced.
func (s *system) failOver(ctx context.Context, kill bool) error {
	how := "failover from a read-only primary"
	if kill {
		how = "failover from a dead primary"
	}
	d := s.database
	return s.postgres.Replace(ctx, how, func(ctx context.Context, old harness.Process) (harness.Process, error) {
		standby := d.other
		if kill {
			if err := old.Kill(); err != nil {
				return nil, err
			}
			d.other = nil
		} else {
			primary, ok := old.(*stack.Postgres)
			if !ok {
				return nil, fmt.Errorf("the primary is a %T", old)
			}
			if err := makeReadOnly(ctx, primary); err != nil {
				return nil, err
			}
			d.other = primary
		}
		d.primary.Store(1)
		if err := standby.Promote(ctx); err != nil {
			return nil, err
		}
		if s.pooler != nil {
			if err := s.pooler.Kill(ctx, 0); err != nil {
				return nil, err
			}
		}
		s.db.Reset()
		return standby, nil
	})
}

// makeReadOnly makes a server refuse writes in all sessions, and keeps these.
func makeReadOnly(ctx context.Context, primary *stack.Postgres) error {
	conn, err := pgx.Connect(ctx, primary.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, `ALTER SYSTEM SET default_transaction_read_only = on`)
	if err == nil {
		_, err = conn.Exec(ctx, `SELECT pg_reload_conf()`)
	}
	return err
}

// failoverFault returns the failover of a run, and the number of the fault that it replaces.
func (s *system) failoverFault(rnd *rand.Rand) (number int, do func(context.Context, time.Duration) error) {
	number = 6 + rnd.IntN(8)
	kill := rnd.IntN(2) == 0
	return number, func(ctx context.Context, _ time.Duration) error { return s.failOver(ctx, kill) }
}
