package storage

import (
	"context"
	"errors"
	"fmt"
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
	reader        *batch.Reader[readKey, readValue]
	publishEvents bool
}

// Options say how to reach Postgres.
type Options struct {
	// URL is a postgres:// URL or a keyword/value string.
	URL string
	// MaxConns bounds the connections, at least 2; a quarter of them, at most 4, is kept for reads.
	MaxConns int32
	// Broadcasts says that somebody takes from the outbox. Otherwise nothing is put there.
	PublishEvents bool
	// Tracer is told of every query; nil: nobody is.
	Tracer pgx.QueryTracer
}

const (
	// statementTimeout bounds every statement on the server, also those whose client has gone.
	statementTimeout = 10 * time.Second
	// pingTimeout is how long a connection that was not used for a second may take to show that it is alive; then another one
	// is taken, while whoever needs it still waits.
	pingTimeout = 2 * time.Second
)

// Open makes the pools and returns at once; the first query connects. Close it when done.
func Open(ctx context.Context, o Options) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, errors.New("open database: the URL cannot be read; expected postgres://user:password@host:port/name") // err may hold the password
	}
	cfg.PingTimeout = pingTimeout
	cfg.ConnConfig.Tracer = o.Tracer
	cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	cfg.ConnConfig.RuntimeParams["application_name"] = "minigroups"
	cfg.ConnConfig.RuntimeParams["statement_timeout"] = fmt.Sprint(statementTimeout.Milliseconds())
	cfg.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = fmt.Sprint(statementTimeout.Milliseconds())
	// By default Postgres plans reads of minigroups and admissions anew each time, which takes longer than executing
	// them. No statement needs a plan of its own for its arguments.
	cfg.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	forReads := min(max(o.MaxConns/4, 1), 4)
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

// Close ends the pools after the queries under way have ended.
func (s *Store) Close() {
	s.pool.Close()
	s.reads.Close()
}

// PoolStats is the state of the pool.
func (s *Store) PoolStats() *pgxpool.Stat { return s.pool.Stat() }

// inTx runs fn in one transaction, once more where Postgres chose this one as the victim of a deadlock.
func (s *Store) inTx(ctx context.Context, doing string, fn func(pgx.Tx) error) error {
	for try := 0; ; try++ {
		err := pgx.BeginFunc(ctx, s.pool, fn)
		var pgErr *pgconn.PgError
		if try < 3 && errors.As(err, &pgErr) && isDeadlock(pgErr) {
			continue
		}
		return wrap(doing, err)
	}
}

// inBatch sends what fill queues in one round trip and, as Postgres takes a batch for one, in one transaction; once more as inTx.
func (s *Store) inBatch(ctx context.Context, doing string, fill func(*pgx.Batch)) error {
	for try := 0; ; try++ {
		var batch pgx.Batch
		fill(&batch)
		err := s.pool.SendBatch(ctx, &batch).Close()
		var pgErr *pgconn.PgError
		if try < 3 && errors.As(err, &pgErr) && isDeadlock(pgErr) {
			continue
		}
		return wrap(doing, err)
	}
}

// isDeadlock reports whether Postgres has chosen a transaction to end, so that others can go on.
func isDeadlock(err *pgconn.PgError) bool { return err.Code == "40P01" || err.Code == "40001" }
