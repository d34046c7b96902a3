package storage_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// readCounter counts the queries that read minigroups.
type readCounter struct{ atomic.Int64 }

func (r *readCounter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if strings.Contains(q.SQL, "key.number") {
		r.Add(1)
	}
	return ctx
}

func (r *readCounter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// until polls for what a test waits for.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// holdReads keeps every read waiting in Postgres until the returned transaction ends, with as many queries under way as
// the Store allows.
func (l ledger) holdReads(counted *readCounter, wg *sync.WaitGroup) pgx.Tx {
	l.Helper()
	tx, err := l.db.Begin(l.Context())
	l.must(err)
	_, err = tx.Exec(l.Context(), `LOCK TABLE minigroup IN ACCESS EXCLUSIVE MODE`)
	l.must(err)
	for range storage.ReadConcurrency {
		sent := counted.Load()
		wg.Go(func() { _, _ = l.ByID(l.Context(), uuid.New()) })
		until(l.T, "a read is under way", func() bool { return counted.Load() > sent })
		time.Sleep(storage.ReadSlow + time.Millisecond) // from then on the next read starts another query
	}
	return tx
}

// mustRead reads a minigroup, alone or with the properties of an account, or one that does not exist.
func (l ledger) mustRead(i int, m minigroup.Minigroup, account minigroup.Account) {
	l.Helper()
	switch i % 3 {
	case 0:
		if got, err := l.ByID(l.Context(), m.ID); err != nil || got.Scope != m.Scope || got.State != minigroup.Ready {
			l.Errorf("%s: got %+v, %v", m.Scope, got, err)
		}
	case 1:
		got, own, err := l.ReadFor(l.Context(), minigroup.ByID(m.ID), account)
		if err != nil || got.Scope != m.Scope || string(own) != `{"k": 1}` {
			l.Errorf("%s: got %+v, %s, %v", m.Scope, got, own, err)
		}
	default:
		_, own, err := l.ReadFor(l.Context(), minigroup.ByID(uuid.New()), account)
		if !isKind(err, minigroup.ClassNotFound) || own != nil {
			l.Errorf("of no minigroup: got %s, %v", own, err)
		}
	}
}

func TestReadsThatArriveTogetherAreOneQuery(t *testing.T) {
	var counted readCounter
	s, db := storagetest.Traced(t, &counted)
	l := ledger{t, s, db}
	n := 5 * storage.ReadSize
	account := minigroup.Account{Label: "reader", Audience: "example.org"}
	_, err := l.SetAccountProperty(t.Context(), account, "k", json.RawMessage(`1`))
	l.must(err)
	var minigroups []minigroup.Minigroup
	for i := range 10 {
		minigroups = append(minigroups, l.ready(fmt.Sprint("run-", i), named(strconv.Itoa(i))))
	}
	var wg sync.WaitGroup
	tx := l.holdReads(&counted, &wg)
	before := counted.Load()
	for i := range n {
		wg.Go(func() { l.mustRead(i, minigroups[i%len(minigroups)], account) })
	}
	until(t, "all reads wait", func() bool { return l.WaitingReads() == n })
	l.must(tx.Commit(t.Context()))
	wg.Wait()
	if got := counted.Load() - before; got != int64(n/storage.ReadSize) {
		t.Errorf("%d reads were %d queries, want %d", n, got, n/storage.ReadSize)
	}
}

func TestAReadSeesWhatWasWrittenBeforeIt(t *testing.T) {
	l := newLedger(t)
	var wg sync.WaitGroup
	for i := range 48 {
		d := named(strconv.Itoa(i))
		wg.Go(func() {
			l.ready("run-"+d.Scope, d)
			for n := range 40 {
				if _, err := l.SetProperty(t.Context(), classID(d), "n", json.RawMessage(strconv.Itoa(n))); err != nil {
					t.Error(err)
				}
				if i%4 == 0 { // a reader that leaves at some moment, perhaps before its first query
					ctx, cancel := context.WithCancel(t.Context())
					wg.Go(cancel)
					if _, err := l.ByID(ctx, classID(d)); err != nil && !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
				}
				m, err := l.ByID(t.Context(), classID(d))
				if want := fmt.Sprintf(`{"n": %d}`, n); err != nil || m.Scope != d.Scope || string(m.Properties) != want {
					t.Errorf("%s: got %s, %v, want %s", d.Scope, m.Properties, err, want)
				}
			}
		})
	}
	wg.Wait()
	if n := l.WaitingReads(); n != 0 {
		t.Errorf("%d reads are left", n)
	}
}

func TestAReadThatFailsIsNotTakenForAMissingMinigroup(t *testing.T) {
	l := newLedger(t)
	l.exec(`ALTER TABLE minigroup RENAME COLUMN host TO guest`)
	_, err := l.ByID(t.Context(), uuid.New())
	if e := new(minigroup.Error); err == nil || errors.As(err, &e) {
		t.Errorf("got %v, want that the query failed", err)
	}
}

func TestReadsOutliveTheirConnections(t *testing.T) {
	l := newLedger(t)
	m := l.ready("run-1", named("read"))
	for range 20 {
		var wg sync.WaitGroup
		for range 16 { // each on a connection of its own
			wg.Go(func() {
				if _, err := l.ByID(t.Context(), m.ID); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		l.exec(`
			SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	}
}

func TestReadsKeepTheirConnections(t *testing.T) {
	l := newLedger(t)
	m := l.ready("run-1", named("read"))
	tx, err := l.db.Begin(t.Context())
	l.must(err)
	_, err = tx.Exec(t.Context(), lockMinigroups)
	l.must(err)
	var wg sync.WaitGroup
	for range 40 { // more than there are connections
		wg.Go(func() {
			if _, err := l.SetProperty(t.Context(), m.ID, "k", json.RawMessage(`1`)); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "all connections for writes are taken", func() bool {
		var n int
		err := tx.QueryRow(t.Context(), `SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted`).Scan(&n)
		return err == nil && n == 12
	})
	l.read(m.ID)
	_, err = l.AccountProperties(t.Context(), minigroup.Account{Label: "l", Audience: "a"})
	l.must(errors.Join(err, l.Ready(t.Context()), tx.Commit(t.Context())))
	wg.Wait()
}

// BenchmarkRead compares reads in batches with reads that are a query each, for 1 and for 32 concurrent callers.
func BenchmarkRead(b *testing.B) {
	s, db := storagetest.New(b)
	const n = 10_000
	_, err := db.Exec(b.Context(), `
		INSERT INTO minigroup (id, audience, scope, state, owner, during, host, locked_chat, fingerprint,
			event_room_id, conference_room_id)
		SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'example.org', n, 'ready', 'run', '[,)', 'h',
			false, 'f', gen_random_uuid(), gen_random_uuid()
		FROM generate_series(0, $1::int - 1) n`, n)
	if err == nil {
		_, err = db.Exec(b.Context(), `ANALYZE minigroup`)
	}
	if err != nil {
		b.Fatal(err)
	}
	for _, callers := range []int{1, 32} {
		for _, way := range []string{"in batches", "one by one"} {
			if way == "one by one" {
				s.ReadOneByOne()
			} else {
				s.ReadInBatches()
			}
			b.Run(fmt.Sprintf("callers=%d/%s", callers, way), func(b *testing.B) {
				var wg sync.WaitGroup
				var next atomic.Int64
				for range callers {
					wg.Go(func() {
						for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
							id := uuid.MustParse(fmt.Sprintf("00000000-0000-0000-0000-%012d", i*7919%n))
							if _, err := s.ByID(b.Context(), id); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}
