package storage

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"minigroups/batch"
)

// groupOptions bound the transactions of writes that come at the same time. Usually one is under way while the next
// group fills, so there are as few commits as Postgres lets there be.
var groupOptions = batch.Options{Size: 32, Concurrency: 2, Slow: 20 * time.Millisecond, Timeout: 4 * time.Second}

// newGroups returns what executes writes that come at the same time in one transaction. The result is the error of a
// write that was executed, and errUngrouped if it was not.
func (s *Store) newGroups(o batch.Options) *batch.Batcher[func(*pgx.Batch), error] {
	return batch.New(func(ctx context.Context, writes []func(*pgx.Batch)) ([]error, error) {
		err := s.pool.SendBatch(ctx, group(writes)).Close()
		if len(writes) > 1 && err != nil || sqlState(err) == lockNotAvailable || isAborted(err) {
			err = errUngrouped
		}
		errs := make([]error, len(writes))
		for i := range errs {
			errs[i] = err
		}
		return errs, nil
	}, o)
}

// errUngrouped is the result of a write whose group has failed, perhaps because of another write.
var errUngrouped = errors.New("the group has failed")

// group returns the statements of writes. They do not wait long for a lock, because all writes that come meanwhile wait
// with them.
func group(writes []func(*pgx.Batch)) *pgx.Batch {
	var batch pgx.Batch
	batch.Queue(`SELECT set_config('lock_timeout', '50ms', true)`)
	for _, write := range writes {
		write(&batch)
	}
	return &batch
}

// inGroup is inBatch for a write that may share its transaction with others. When the transaction fails, each write is
// executed in one of its own, so that each has its own error. fill queues statements whose callbacks set the result. It
// may be called more than once, each time with a new result.
func inGroup[R any](ctx context.Context, s *Store, doing string, fill func(*pgx.Batch, *R)) (R, error) {
	var none R
	var result *R // if ctx ends, only the callbacks may use it
	write := func(batch *pgx.Batch) {
		result = new(R)
		fill(batch, result)
	}
	failed, err := s.groups.Do(ctx, write)
	switch {
	case err != nil:
		return none, wrap(doing, err)
	case errors.Is(failed, errUngrouped):
		failed = s.inBatch(ctx, doing, write)
	default:
		failed = wrap(doing, failed)
	}
	if failed != nil {
		return none, failed
	}
	return *result, nil
}
