package storage_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"minigroups/storage/storagetest"
)

// failing is a tracer that lets a statement of a Store fail before it is sent, and each repetition of it.
type failing struct {
	mu           sync.Mutex
	seen, number int
	sql          string
}

// fail lets the statement with this number fail, counted from 1 from now on; 0 is none. It returns the last statement
// that has failed, "" if none has.
func (f *failing) fail(number int) (last string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last = f.sql
	f.seen, f.number, f.sql = 0, number, ""
	return last
}

func (f *failing) next(ctx context.Context, sql string) context.Context {
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasPrefix(sql, "-- ping") || sql == "rollback" { // without a rollback, the end of the connection is one
		return ctx
	}
	f.seen++
	if f.seen == f.number {
		f.sql = sql
	}
	if sql != f.sql {
		return ctx
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

func (f *failing) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	return f.next(ctx, q.SQL)
}

func (f *failing) TraceBatchStart(ctx context.Context, _ *pgx.Conn, b pgx.TraceBatchStartData) context.Context {
	var all []string
	for _, q := range b.Batch.QueuedQueries {
		all = append(all, q.SQL)
	}
	return f.next(ctx, strings.Join(all, ";\n"))
}

func (*failing) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData)     {}
func (*failing) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*failing) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// call is a call of a Store whose statements fail one by one.
type call struct {
	name string
	// prepare makes what the call needs, and returns it.
	prepare func(ledger) func(context.Context) error
	// steps says that it is several transactions, so that those before the error stay.
	steps bool
}

// failEach lets each statement of each call fail. The call must return that error and change nothing, and succeed when
// nothing fails.
func failEach(t *testing.T, calls []call) {
	f := &failing{}
	s, db := storagetest.Traced(t, f)
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			l := ledger{t, s, db}
			l.gateways(100, 100)
			do := c.prepare(l)
			for number := 1; ; number++ {
				if c.steps && number > 1 {
					do = c.prepare(l)
				}
				before := l.contents()
				f.fail(number)
				err := do(t.Context())
				failed := f.fail(0)
				if failed == "" { // it has fewer statements
					l.must(err)
					if number == 1 {
						t.Error("it has no statement")
					}
					return
				}
				if !errors.Is(err, context.Canceled) {
					t.Errorf("it returns %v when this fails:\n%s", err, failed)
				}
				if !c.steps && l.contents() != before {
					t.Errorf("it changes something although this fails:\n%s", failed)
				}
			}
		})
	}
}

// contents are all rows of all tables.
func (l ledger) contents() string {
	l.Helper()
	var all strings.Builder
	for _, table := range l.texts(`SELECT relname::text FROM pg_class
		WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`) {
		all.WriteString(strings.Join(l.texts(`SELECT to_jsonb(r)::text FROM `+table+` r`), "\n"))
	}
	return all.String()
}
