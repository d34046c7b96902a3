package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// SessionError says that the sessions at the server of database.url are not what this program needs: TLS fails, a
// pooler such as PgBouncer is in between, or the role lacks a setting. Only a change of settings helps.
type SessionError struct{ reason string }

func (e *SessionError) Error() string { return "database.url: " + e.reason }

const (
	// usePooler and useNoPooler end the reasons of a *SessionError.
	usePooler   = "set database.pooler to true, as docs/postgres.md says"
	useNoPooler = "migrate needs sessions of its own, so give it the address of Postgres itself"
)

// CheckSessions returns a *SessionError if the Store cannot work with the sessions that it receives, or receives none
// because of TLS. Another error says that the server could not be asked.
//
// Without Options.Pooler, the timeouts that are sent with each connection must be in effect, and two connections must
// not share a session. With it, the role must have timeouts of its own, because a pooler does not pass on ours.
func (s *Store) CheckSessions(ctx context.Context) error {
	if !s.pooler {
		return explainTLS(s.checkOwnSessions(ctx))
	}
	return explainTLS(s.checkPooledSessions(ctx))
}

func (s *Store) checkPooledSessions(ctx context.Context) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { // fails in statement mode
		found, err := timeouts(ctx, tx)
		if err != nil {
			return err
		}
		for _, name := range []string{statementTimeoutSetting, idleTransactionSetting} {
			if found[name] == 0 {
				return &SessionError{fmt.Sprintf("the role has no %s: set it, as docs/postgres.md says", name)}
			}
		}
		return nil
	})
}

func (s *Store) checkOwnSessions(ctx context.Context) error {
	first, err := s.pool.Acquire(ctx)
	if err != nil {
		return refusedByPooler(err, usePooler)
	}
	defer first.Release()
	second, err := s.reads.Acquire(ctx)
	if err != nil {
		return refusedByPooler(err, usePooler)
	}
	defer second.Release()
	sent := map[string]time.Duration{statementTimeoutSetting: statementTimeout}
	return checkOwn(ctx, first.Conn(), second.Conn(), sent, usePooler)
}

// checkOwn returns a *SessionError that ends with the remedy, unless each of two connections has a session of its own
// in which the timeouts that were sent are in effect.
func checkOwn(ctx context.Context, first, second *pgx.Conn, sent map[string]time.Duration, remedy string) error {
	found, err := timeouts(ctx, first)
	if err != nil {
		return err
	}
	for name, want := range sent {
		if found[name] != want {
			return &SessionError{fmt.Sprintf("a pooler ignores the setting %s: %s", name, remedy)}
		}
	}
	for range sharedAttempts {
		switch shared, err := areShared(ctx, first, second); {
		case err != nil:
			return err
		case shared:
			return &SessionError{"a pooler shares sessions between connections: " + remedy}
		}
	}
	return nil
}

// sharedAttempts is how often areShared looks. Other clients of the pooler may hide from one look that it shares.
const sharedAttempts = 3

// areShared reports whether two connections use the same session, or whether the first one moves between sessions: it
// has none of its own between its transactions, so the second one, in a transaction, may take its session.
func areShared(ctx context.Context, first, second *pgx.Conn) (shared bool, err error) {
	before, err := backend(ctx, first)
	if err != nil {
		return false, err
	}
	err = pgx.BeginFunc(ctx, second, func(tx pgx.Tx) error {
		other, err := backend(ctx, tx)
		if err != nil {
			return err
		}
		after, err := backend(ctx, first)
		shared = before == other || before != after
		return err
	})
	return shared, err
}

// The queries below use the simple protocol, because a pooler may lose prepared statements.

// backend returns the process of the server that executes the query.
func backend(ctx context.Context, q querier) (pid int, err error) {
	err = q.QueryRow(ctx, `SELECT pg_backend_pid()`, pgx.QueryExecModeSimpleProtocol).Scan(&pid)
	return pid, wrap("read the process of a session", err)
}

// timeouts returns the timeouts that are in effect in the session; 0 is none.
func timeouts(ctx context.Context, q querier) (map[string]time.Duration, error) {
	found := map[string]time.Duration{}
	var name string
	var milliseconds int64
	const read = `
		SELECT name, setting::bigint FROM pg_settings
		WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'lock_timeout')`
	rows, _ := q.Query(ctx, read, pgx.QueryExecModeSimpleProtocol) // ForEachRow returns its error
	_, err := pgx.ForEachRow(rows, []any{&name, &milliseconds}, func() error {
		found[name] = time.Duration(milliseconds) * time.Millisecond
		return nil
	})
	return found, wrap("read the timeouts of a session", err)
}

// refusedByPooler turns the error of a pooler that refuses the settings sent with a connection into a *SessionError
// that ends with the remedy, and returns every other error unchanged.
func refusedByPooler(err error, remedy string) error {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && strings.HasPrefix(pgErr.Code, connectionException) &&
		strings.HasPrefix(pgErr.Message, "unsupported startup parameter") {
		return &SessionError{fmt.Sprintf("a pooler refuses a setting (%s): %s", pgErr.Message, remedy)}
	}
	return err
}
