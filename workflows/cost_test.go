package workflows_test

import (
	"context"
	"maps"
	"regexp"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// cost is the number of requests that a run sends to Postgres and to other services.
type cost struct {
	// roundTrips to Postgres.
	roundTrips int
	// statements, without BEGIN and COMMIT.
	statements int
	// commits of transactions that write: those Postgres has to bring to the disk.
	commits int
	// calls of event, conference and the gateways.
	calls int
}

func (c cost) exceeds(most cost) bool {
	return c.roundTrips > most.roundTrips || c.statements > most.statements || c.commits > most.commits ||
		c.calls > most.calls
}

// costTracer counts the requests of a Store to Postgres.
type costTracer struct {
	mu sync.Mutex
	cost
	// writing has the connections that are in a transaction; true when it has written.
	writing map[*pgx.Conn]bool
}

var writes = regexp.MustCompile(`\b(INSERT|UPDATE|DELETE)\b`)

func (c *costTracer) statement(conn *pgx.Conn, sql string) {
	if c.writing == nil {
		c.writing = map[*pgx.Conn]bool{}
	}
	written, inTx := c.writing[conn]
	switch sql {
	case "begin":
		c.writing[conn] = false
		return
	case "commit", "rollback":
		delete(c.writing, conn)
	default:
		c.statements++
		written = written || writes.MatchString(sql)
		if inTx {
			c.writing[conn] = written
			return
		}
	}
	if written && sql != "rollback" {
		c.commits++
	}
}

func (c *costTracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roundTrips++
	c.statement(conn, q.SQL)
	return ctx
}

func (c *costTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart starts a transaction unless there is one: Postgres executes a batch as a transaction.
func (c *costTracer) TraceBatchStart(ctx context.Context, conn *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roundTrips++
	if _, inTx := c.writing[conn]; !inTx {
		c.statement(conn, "begin")
		ctx = context.WithValue(ctx, implicitTransaction{}, true)
	}
	return ctx
}

// implicitTransaction is the context key of a batch that is a transaction of its own.
type implicitTransaction struct{}

func (c *costTracer) TraceBatchQuery(_ context.Context, conn *pgx.Conn, q pgx.TraceBatchQueryData) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statement(conn, q.SQL)
}

func (c *costTracer) TraceBatchEnd(ctx context.Context, conn *pgx.Conn, _ pgx.TraceBatchEndData) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Value(implicitTransaction{}) != nil {
		c.statement(conn, "commit")
	}
}

// measure returns the cost of a run, which must succeed without a retry.
func (c *costTracer) measure(s *harness, run func() *result) cost {
	s.Helper()
	c.mu.Lock()
	c.cost = cost{}
	c.mu.Unlock()
	before := s.allCalls()
	if p := run(); p.err != nil || len(p.retried) > 0 {
		s.Fatalf("the run ended with %v, retried were %v", p.err, p.retried)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = s.allCalls() - before
	return c.cost
}

// allCalls counts the calls of other services.
func (w *world) allCalls() (n int) {
	w.mu.Lock()
	of := maps.Clone(w.calls)
	w.mu.Unlock()
	for _, o := range []operation{
		eventCreate, eventLock, eventClose, conferenceCreate, conferenceRead, conferencePatch, conferenceClose,
		janusReserve, janusRelease,
	} {
		n += of[o]
	}
	return n
}

func TestCostOfASuccessfulRun(t *testing.T) {
	var c costTracer
	s := tracedDatabase(t, &c).newHarness(t)
	s.ledger.joint.Store(true)
	d, plain := newDraft(), newDraft()
	plain.Reserve, plain.LockedChat = nil, false
	longer := minigroup.Window{Start: d.Time.Start, End: new(*d.Time.End + 60)}
	for _, tc := range []struct {
		name string
		run  func() *result
		// at most: writes that come at the same time share a round trip and a commit
		want cost
	}{
		{
			name: "a create with slots and a locked chat",
			run:  func() *result { return s.create("run-1", d) },
			want: cost{roundTrips: 6, statements: 19, commits: 5, calls: 4},
		},
		{
			name: "a create of the two rooms alone",
			run:  func() *result { return s.create("run-2", plain) },
			want: cost{roundTrips: 3, statements: 11, commits: 3, calls: 2},
		},
		{
			// One round trip finds that the create owns the row, and one that its slots were not given back.
			name: "an update of time and slots",
			run: func() *result {
				return s.update("run-3", uuid.New(), d, minigroup.Change{Time: &longer, Reserve: new(int32(9))})
			},
			want: cost{roundTrips: 7, statements: 19, commits: 4, calls: 3},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := c.measure(s, tc.run); got.exceeds(tc.want) {
				t.Errorf("it costs %+v, want at most %+v", got, tc.want)
			}
		})
	}
}
