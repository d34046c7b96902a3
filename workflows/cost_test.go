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

// cost is what a run asks of Postgres and of other services.
type cost struct {
	// roundTrips are waits for an answer of Postgres, statements what it carried out, begin and commit aside, and commits those
	// of transactions that write: what Postgres has to bring to the disk.
	roundTrips, statements, commits int
	// calls are requests to event, conference and the gateways.
	calls int
}

// bill adds up what a Store asks of Postgres.
type bill struct {
	mu sync.Mutex
	cost
	writing map[*pgx.Conn]bool // connections in a transaction, and whether it has written
}

var writes = regexp.MustCompile(`\b(INSERT|UPDATE|DELETE)\b`)

func (b *bill) statement(conn *pgx.Conn, sql string) {
	if b.writing == nil {
		b.writing = map[*pgx.Conn]bool{}
	}
	written, inTx := b.writing[conn]
	switch sql {
	case "begin":
		b.writing[conn] = false
		return
	case "commit", "rollback":
		delete(b.writing, conn)
	default:
		b.statements++
		written = written || writes.MatchString(sql)
		if inTx {
			b.writing[conn] = written
			return
		}
	}
	if written && sql != "rollback" {
		b.commits++
	}
}

func (b *bill) TraceQueryStart(ctx context.Context, conn *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roundTrips++
	b.statement(conn, q.SQL)
	return ctx
}

func (b *bill) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart begins a transaction, where there is none: Postgres takes a batch for one.
func (b *bill) TraceBatchStart(ctx context.Context, conn *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roundTrips++
	if _, inTx := b.writing[conn]; !inTx {
		b.statement(conn, "begin")
		ctx = context.WithValue(ctx, ownTransaction{}, true)
	}
	return ctx
}

// ownTransaction is the key in the context of a batch that is a transaction of its own.
type ownTransaction struct{}

func (b *bill) TraceBatchQuery(_ context.Context, conn *pgx.Conn, q pgx.TraceBatchQueryData) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.statement(conn, q.SQL)
}

// TraceBatchEnd ends it.
func (b *bill) TraceBatchEnd(ctx context.Context, conn *pgx.Conn, _ pgx.TraceBatchEndData) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ctx.Value(ownTransaction{}) != nil {
		b.statement(conn, "commit")
	}
}

// of returns what a run has cost.
func (b *bill) of(s *stage, run func() *played) cost {
	s.Helper()
	b.mu.Lock()
	b.cost = cost{}
	b.mu.Unlock()
	s.mu.Lock()
	before := s.outside()
	s.mu.Unlock()
	if p := run(); p.err != nil || len(p.retried) > 0 {
		s.Fatalf("it was not healthy: %v, retried %v", p.err, p.retried)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	b.calls = s.outside() - before
	return b.cost
}

// outside counts the calls of other services.
func (w *world) outside() (n int) {
	of := maps.Clone(w.calls)
	for _, o := range []operation{
		eventCreate, eventLock, eventClose, conferenceCreate, conferenceRead, conferencePatch, conferenceClose, janusReserve, janusRelease,
	} {
		n += of[o]
	}
	return n
}

// What a healthy run costs is counted, so that it does not grow unnoticed.
func TestWhatAHealthyRunCosts(t *testing.T) {
	var b bill
	s := tracedDatabase(t, &b).stage(t)
	d, plain := newDraft(), newDraft()
	plain.Reserve, plain.LockedChat = nil, false
	for _, c := range []struct {
		name string
		run  func() *played
		want cost
	}{
		{"a create with slots and a locked chat", func() *played { return s.create("run-1", d) }, cost{7, 9, 6, 4}},
		{"a create of the two rooms alone", func() *played { return s.create("run-2", plain) }, cost{4, 4, 4, 2}},
		{"an update of time and slots", func() *played {
			return s.update("run-3", uuid.New(), d, minigroup.Change{Time: &minigroup.Window{Start: d.Time.Start, End: new(*d.Time.End + 60)}, Reserve: new(int32(9))})
		}, cost{7, 12, 4, 3}}, // one to find that the create owns the row, and one to see that its slots were not given up
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := b.of(s, c.run); got != c.want {
				t.Errorf("it costs %+v, want %+v", got, c.want)
			}
		})
	}
}
