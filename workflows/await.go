package workflows

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"minigroups/minigroup"
)

// waiter is a request that waits for a run. Its result stands in a row, which is the only source of truth.
type waiter struct {
	run client.WorkflowRun
	// notifications says when to read the row, or delivers it (see notifier).
	notifications <-chan *minigroup.Minigroup
	row           row
}

// row reads and writes what the ledger knows of a create or an update.
type row interface {
	// succeeded returns the minigroup once the operation has succeeded. established is a row just read, or nil.
	succeeded(ctx context.Context, established *minigroup.Minigroup) (minigroup.Minigroup, bool)
	// accept records that the caller is answered before the operation is decided.
	accept(ctx context.Context, claim minigroup.Claim) error
	// result answers the caller. ended says that the run has ended: an operation that the row shows as undecided then
	// stays so until the sweeper or another request takes it up.
	result(ctx context.Context, run string, ended bool) (minigroup.Minigroup, minigroup.Outcome, error)
}

// await waits for a run until the limit, and returns what the row shows: OutcomeDone, the error of a failed
// operation, or OutcomeAccepted while the run continues. Before it returns OutcomeAccepted it makes the row show the
// operation.
func (s *Starter) await(
	ctx context.Context, w waiter, limit time.Duration,
) (minigroup.Minigroup, minigroup.Outcome, error) {
	established, ended := s.awaitEnd(ctx, w, limit)
	if established != nil {
		return *established, minigroup.OutcomeDone, nil
	}
	ctx = context.WithoutCancel(ctx) // a caller who disconnected may ask for the result later
	if !ended {
		open, err := s.accept(ctx, w)
		if err != nil {
			return minigroup.Minigroup{}, 0, err
		}
		ended = !open
	}
	ctx, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	return w.row.result(ctx, w.run.GetRunID(), ended)
}

// awaitEnd waits until the operation has succeeded, the run has ended, the limit is over, or the process drains. The
// notifier is the fastest way to learn of a success. For everything else the end of the run counts, and not the row,
// which shows a failure some milliseconds before the run ends: a caller who retries at once must not join a run that
// has already failed.
func (s *Starter) awaitEnd(
	ctx context.Context, w waiter, limit time.Duration,
) (succeeded *minigroup.Minigroup, ended bool) {
	if limit <= 0 {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	end := make(chan error, 1)
	poll := sync.OnceFunc(func() {
		go func() { end <- w.run.Get(ctx, nil) }()
	})
	pollTimer := time.NewTimer(s.pollAfter)
	defer pollTimer.Stop()
	for {
		select {
		case established := <-w.notifications:
			if m, ok := w.row.succeeded(ctx, established); ok {
				return &m, false
			}
			poll()
		case <-pollTimer.C:
			poll()
		case err := <-end:
			var failed *temporal.WorkflowExecutionError
			return nil, err == nil || errors.As(err, &failed)
		case <-s.draining.Done():
			return nil, false
		case <-ctx.Done():
			return nil, false
		}
	}
}

// accept makes the row show the operation of an open run. It returns false when the run is not open any more.
func (s *Starter) accept(ctx context.Context, w waiter) (open bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	var temporalErr error
	err = minigroup.TakeOver(w.run.GetRunID(), func() (current bool, err error) {
		temporalErr = s.requestTemporal(ctx, func(ctx context.Context) error {
			current, err = s.IsCurrent(ctx, w.run.GetID(), w.run.GetRunID())
			return err
		})
		return current, temporalErr
	}, func(claim minigroup.Claim) error { return w.row.accept(ctx, claim) })
	var superseded *minigroup.SupersededError
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &superseded):
		return false, nil
	case temporalErr != nil:
		return false, temporalUnavailable(err)
	default:
		return false, unavailable("the database", err)
	}
}
