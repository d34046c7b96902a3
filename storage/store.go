package storage

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"minigroups/batch"
)

// Store reads and writes minigroups and their ledger. It is safe for concurrent use.
type Store struct {
	pool *pgxpool.Pool
	// reads is a pool of its own, so that callers can read while every other connection is taken.
	reads         *pgxpool.Pool
	reader        *batch.Batcher[readKey, readValue]
	groups        *batch.Batcher[func(*pgx.Batch), error]
	publishEvents bool
	pooler        bool
	maxConns      int32
	discarded     func(reason error) // may be nil
}

// Options say how to reach Postgres.
type Options struct {
	// URL is a postgres:// URL or a keyword/value string. Of several hosts, the first one that accepts writes is used.
	URL string
	// Program is the name of the program, such as api. Postgres shows it with each session.
	Program string
	// Pooler says that URL leads to a pooler such as PgBouncer, in session or transaction mode.
	Pooler bool
	// MaxConns bounds the connections, at least 2. A quarter of them, at most 4, is reserved for reads.
	MaxConns int32
	// ConnLifetime is how long a connection is used; 0: about ten minutes.
	ConnLifetime time.Duration
	// PublishEvents puts events into the outbox, for PublishOutbox. Without it, the outbox stays empty.
	PublishEvents bool
	// Dial makes a connection to the server; nil: over TCP.
	Dial pgconn.DialFunc
	// Tracer observes every query; nil: none.
	Tracer pgx.QueryTracer
	// Discarded is called when all connections are closed because of an error that concerns all of them; nil: nothing is.
	Discarded func(reason error)
}

// Open makes the pools and returns immediately; the first query connects. Close it when done.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{publishEvents: o.PublishEvents, pooler: o.Pooler, maxConns: o.MaxConns, discarded: o.Discarded}
	if err := s.connect(ctx, o); err != nil {
		return nil, err
	}
	s.reader = s.newReader(s.reads, readOptions)
	s.groups = s.newGroups(groupOptions)
	return s, nil
}

// Close closes the pools when the queries under way have ended.
func (s *Store) Close() {
	s.pool.Close()
	s.reads.Close()
}

// PoolStats is the state of the pool for writes.
func (s *Store) PoolStats() *pgxpool.Stat { return s.pool.Stat() }

// ReadPoolStats is the state of the pool for reads.
func (s *Store) ReadPoolStats() *pgxpool.Stat { return s.reads.Stat() }

// Now returns the current time by the clock that writes all times of the ledger.
func (s *Store) Now(ctx context.Context) (now time.Time, err error) {
	return now, wrap("read the time", s.pool.QueryRow(ctx, `SELECT now()`).Scan(&now))
}
