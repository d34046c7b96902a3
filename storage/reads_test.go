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
func holdReads(t *testing.T, s *storage.Store, db *pgx.Conn, counted *readCounter, wg *sync.WaitGroup) pgx.Tx {
	t.Helper()
	tx, err := db.Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), `LOCK TABLE minigroup IN ACCESS EXCLUSIVE MODE`)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range storage.ReadConcurrency {
		sent := counted.Load()
		wg.Go(func() { _, _ = s.ByID(t.Context(), uuid.New()) })
		until(t, "a read is under way", func() bool { return counted.Load() > sent })
		time.Sleep(storage.ReadSlow + time.Millisecond) // from then on the next read starts another query
	}
	return tx
}

func commit(t *testing.T, tx pgx.Tx) {
	t.Helper()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestReadsThatComeTogetherAreOneQuery(t *testing.T) {
	var counted readCounter
	s, db := storagetest.Traced(t, &counted)
	n := 5 * storage.ReadSize
	var drafts []minigroup.Draft
	account := minigroup.Account{Label: "reader", Audience: "example.org"}
	if _, err := s.SetAccountProperty(t.Context(), account, "k", json.RawMessage(`1`)); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		drafts = append(drafts, minigroup.Draft{Audience: "example.org", Scope: strconv.Itoa(i), Host: "h"})
		ready(t, s, fmt.Sprint("run-", i), drafts[i])
	}
	var wg sync.WaitGroup
	tx := holdReads(t, s, db, &counted, &wg)
	before := counted.Load()
	for i := range n {
		wg.Go(func() {
			d := drafts[i%len(drafts)]
			switch i % 3 {
			case 0:
				if m, err := s.ByID(t.Context(), classID(d)); err != nil || m.Scope != d.Scope || m.State != minigroup.Ready {
					t.Errorf("%s: got %+v, %v", d.Scope, m, err)
				}
			case 1:
				m, own, err := s.ByIDForAccount(t.Context(), classID(d), account)
				if err != nil || m.Scope != d.Scope || string(own) != `{"k": 1}` {
					t.Errorf("%s: got %+v, %s, %v", d.Scope, m, own, err)
				}
			default:
				_, own, err := s.ByIDForAccount(t.Context(), uuid.New(), account)
				if e := new(minigroup.Error); !errors.As(err, &e) || e.Kind != minigroup.ClassNotFound || own != nil {
					t.Errorf("of none: got %s, %v", own, err)
				}
			}
		})
	}
	until(t, "all reads wait", func() bool { return s.WaitingReads() == n })
	commit(t, tx)
	wg.Wait()
	if got := counted.Load() - before; got != int64(n/storage.ReadSize) {
		t.Errorf("%d reads were %d queries, want %d", n, got, n/storage.ReadSize)
	}
}

func TestAReadSeesWhatWasWrittenBeforeIt(t *testing.T) {
	s, _ := storagetest.New(t)
	var wg sync.WaitGroup
	for i := range 48 {
		d := minigroup.Draft{Audience: "example.org", Scope: strconv.Itoa(i), Host: "h"}
		wg.Go(func() {
			ready(t, s, "run-"+d.Scope, d)
			for n := range 40 {
				if _, err := s.SetProperty(t.Context(), classID(d), "n", json.RawMessage(strconv.Itoa(n))); err != nil {
					t.Error(err)
				}
				if i%4 == 0 { // a reader that leaves at some moment, perhaps before its first query
					ctx, cancel := context.WithCancel(t.Context())
					wg.Go(cancel)
					if _, err := s.ByID(ctx, classID(d)); err != nil && !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
				}
				m, err := s.ByID(t.Context(), classID(d))
				if want := fmt.Sprintf(`{"n": %d}`, n); err != nil || m.Scope != d.Scope || string(m.Properties) != want {
					t.Errorf("%s: got %s, %v, want %s", d.Scope, m.Properties, err, want)
				}
			}
		})
	}
	wg.Wait()
	if n := s.WaitingReads(); n != 0 {
		t.Errorf("%d reads are left", n)
	}
}

func TestAReadThatFailsIsNotTakenForAMissingMinigroup(t *testing.T) {
	s, db := storagetest.New(t)
	if _, err := db.Exec(t.Context(), `ALTER TABLE minigroup RENAME COLUMN host TO guest`); err != nil {
		t.Fatal(err)
	}
	_, err := s.ByID(t.Context(), uuid.New())
	if e := new(minigroup.Error); err == nil || errors.As(err, &e) {
		t.Errorf("got %v, want that the database could not be asked", err)
	}
}

func TestReadsOutliveTheirConnections(t *testing.T) {
	s, db := storagetest.New(t)
	m := ready(t, s, "run-1", minigroup.Draft{Audience: "example.org", Scope: "read", Host: "h"})
	for range 20 {
		var wg sync.WaitGroup
		for range 16 { // each on a connection of its own
			wg.Go(func() {
				if _, err := s.ByID(t.Context(), m.ID); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		_, err := db.Exec(t.Context(), `
			SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadsKeepTheirConnections(t *testing.T) {
	s, db := storagetest.New(t)
	m := ready(t, s, "run-1", minigroup.Draft{Audience: "example.org", Scope: "s", Host: "h"})
	tx, err := db.Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), `SELECT FROM minigroup FOR UPDATE`)
	}
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 40 { // more than there are connections
		wg.Go(func() {
			if _, err := s.SetProperty(t.Context(), m.ID, "k", json.RawMessage(`1`)); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "all connections for writes are taken", func() bool {
		var n int
		err := tx.QueryRow(t.Context(), `SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted`).Scan(&n)
		return err == nil && n == 12
	})
	if _, err := s.ByID(t.Context(), m.ID); err != nil {
		t.Error(err)
	}
	if _, err := s.AccountProperties(t.Context(), minigroup.Account{Label: "l", Audience: "a"}); err != nil {
		t.Error(err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	commit(t, tx)
	wg.Wait()
}

// BenchmarkRead compares reads in batches with reads that are a query each, for 1 and for 32 concurrent callers.
func BenchmarkRead(b *testing.B) {
	s, db := storagetest.New(b)
	const n = 10_000
	_, err := db.Exec(b.Context(), `
		INSERT INTO minigroup (id, audience, scope, state, owner, during, host, locked_chat, locked_questions, fingerprint, event_room_id, conference_room_id)
		SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'example.org', n, 'ready', 'run', '[,)', 'h', false, false, 'f',
			gen_random_uuid(), gen_random_uuid()
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
