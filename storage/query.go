package storage

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// maxAborts bounds how often a transaction is repeated that Postgres aborts.
const maxAborts = 3

// inTx runs fn in one transaction, and again if isAborted says so.
func (s *Store) inTx(ctx context.Context, doing string, fn func(pgx.Tx) error) error {
	return retryAborted(doing, func() error { return pgx.BeginFunc(ctx, s.pool, fn) })
}

// inBatch sends what fill queues in one round trip. Postgres executes a batch as one transaction; each statement sees
// what was committed before that statement began. If isAborted says so, it fills and sends the batch again.
func (s *Store) inBatch(ctx context.Context, doing string, fill func(*pgx.Batch)) error {
	return retryAborted(doing, func() error {
		var batch pgx.Batch
		fill(&batch)
		return s.pool.SendBatch(ctx, &batch).Close()
	})
}

func retryAborted(doing string, transact func() error) error {
	for try := 0; ; try++ {
		if err := transact(); try == maxAborts || !isAborted(err) {
			return wrap(doing, err)
		}
	}
}

// exec executes a statement in a transaction of its own.
func (s *Store) exec(ctx context.Context, doing, sql string, args ...any) error {
	_, err := s.execCount(ctx, doing, sql, args...)
	return err
}

// execCount is exec. It returns the number of rows that the statement has written.
func (s *Store) execCount(ctx context.Context, doing, sql string, args ...any) (int64, error) {
	var tag pgconn.CommandTag
	err := retryAborted(doing, func() (err error) {
		tag, err = s.pool.Exec(ctx, sql, args...)
		return err
	})
	return tag.RowsAffected(), err
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// list runs a query and collects its rows; without rows, the list is empty and not nil.
func list[T any](
	ctx context.Context, q querier, doing string, scan pgx.RowToFunc[T], sql string, args ...any,
) ([]T, error) {
	rows, _ := q.Query(ctx, sql, args...) // CollectRows returns its error
	out, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return out, nil
}

// wrote returns the callback of a queued statement that reports whether it has written a row.
func wrote(yes *bool) func(pgconn.CommandTag) error {
	return func(tag pgconn.CommandTag) error {
		*yes = tag.RowsAffected() > 0
		return nil
	}
}

// scanned returns the callback of a queued statement that returns at most one row of one column, and scans it.
func scanned[T any](value *T) func(pgx.Rows) error {
	return ifRow(func(row pgx.Row) error { return row.Scan(value) })
}

// ifRow returns the callback of a queued statement that scans its row, if it returns one.
func ifRow(scan func(pgx.Row) error) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}
}

// orZero is the value of a column that may be NULL.
func orZero[T any](column *T) (value T) {
	if column != nil {
		value = *column
	}
	return value
}

// jsonText keeps an absent document NULL.
func jsonText(raw []byte) *string {
	if raw == nil {
		return nil
	}
	return new(string(raw))
}
