package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"minigroups/batch"
)

// Store reads and writes minigroups and their ledger. It is safe for concurrent use.
type Store struct {
	pool *pgxpool.Pool
	// reads is a pool of its own, so that callers can read while every other connection is taken.
	reads         *pgxpool.Pool
	reader        *batch.Reader[readKey, readValue]
	publishEvents bool
}

// Options say how to reach Postgres.
type Options struct {
	// URL is a postgres:// URL or a keyword/value string.
	URL string
	// MaxConns bounds the connections, at least 2. A quarter of them, at most 4, is reserved for reads.
	MaxConns int32
	// PublishEvents puts events into the outbox, for PublishOutbox. Without it, the outbox stays empty.
	PublishEvents bool
	// Tracer observes every query; nil: none.
	Tracer pgx.QueryTracer
}

const (
	// statementTimeout bounds every statement on the server, including those whose client is gone.
	statementTimeout = 10 * time.Second
	connectTimeout   = 5 * time.Second
	// pingTimeout is how long a connection that was not used for a second may take to answer. After that another one is
	// used, within the timeout of the caller.
	pingTimeout = 2 * time.Second
	// maxReadConns bounds the connections that are reserved for reads.
	maxReadConns = 4
)

// Open makes the pools and returns immediately; the first query connects. Close it when done.
func Open(ctx context.Context, o Options) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(o.URL)
	if err != nil { // err may contain the password
		return nil, errors.New("open database: the URL cannot be read; expected postgres://user:password@host:port/name")
	}
	cfg.PingTimeout = pingTimeout
	cfg.ConnConfig.Tracer = o.Tracer
	cfg.ConnConfig.ConnectTimeout = connectTimeout
	settings := cfg.ConnConfig.RuntimeParams
	settings["application_name"] = "minigroups"
	settings["statement_timeout"] = fmt.Sprint(statementTimeout.Milliseconds())
	settings["idle_in_transaction_session_timeout"] = fmt.Sprint(statementTimeout.Milliseconds())
	// By default Postgres plans reads of minigroups and admissions anew each time, which takes longer than executing
	// them. No statement needs a plan of its own for its arguments.
	settings["plan_cache_mode"] = "force_generic_plan"
	forReads := min(max(o.MaxConns/4, 1), maxReadConns)
	reads, err := openPool(ctx, cfg.Copy(), forReads)
	if err != nil {
		return nil, err
	}
	pool, err := openPool(ctx, cfg, max(o.MaxConns-forReads, 1))
	if err != nil {
		reads.Close()
		return nil, err
	}
	return &Store{pool: pool, reads: reads, reader: newReader(reads, readOptions), publishEvents: o.PublishEvents}, nil
}

func openPool(ctx context.Context, cfg *pgxpool.Config, conns int32) (*pgxpool.Pool, error) {
	cfg.MaxConns = conns
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return pool, nil
}

// Close closes the pools when the queries under way have ended.
func (s *Store) Close() {
	s.pool.Close()
	s.reads.Close()
}

// PoolStats is the state of the pool for writes.
func (s *Store) PoolStats() *pgxpool.Stat { return s.pool.Stat() }

// Now returns the current time by the clock that writes all times of the ledger.
func (s *Store) Now(ctx context.Context) (now time.Time, err error) {
	return now, wrap("read the time", s.pool.QueryRow(ctx, `SELECT now()`).Scan(&now))
}
