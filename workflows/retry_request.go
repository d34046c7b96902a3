package workflows

import (
	"context"
	"time"

	"minigroups/minigroup"
)

// Retry creates a failed minigroup again from its row, and waits for it as Create does. failed is the minigroup as the
// caller has just read it. Errors besides those of Create are RetryNotPossible when it has not failed or has ended, and
// OperationInProgress while the failed run is ending.
func (s *Starter) Retry(
	ctx context.Context, failed minigroup.Minigroup, limit time.Duration,
) (minigroup.Minigroup, minigroup.Outcome, error) {
	if why := notRetryable(failed, time.Now().Unix()); why != "" {
		return failed, 0, minigroup.Errorf(minigroup.RetryNotPossible, "%s", why)
	}
	waitUntil := time.Now().Add(limit)
	startCtx, cancel := s.startContext(ctx, limit)
	defer cancel()
	r := failed.RetryRequest()
	o := s.createOptions(r)
	o.StaticSummary = summary("Retry %s for %s", r.Scope, r.Audience)
	notifications, stop := s.notifier.subscribe(r.ID)
	defer stop()
	run, joined, end, err := s.startOrJoin(startCtx, r.Audience, o, CreateMinigroup, s.createInput(r))
	if err != nil {
		return failed, 0, err
	}
	defer end()
	switch {
	case joined != nil && joined.runID == failed.Run: // it has failed and is about to end
		return failed, 0, inProgress("operation")
	case joined != nil && (joined.operation != operationCreate || joined.fingerprint != r.Fingerprint):
		return failed, 0, inProgress(joined.operation)
	}
	return s.await(ctx, waiter{run: run, notifications: notifications, row: createRow{s.store, r}}, time.Until(waitUntil))
}

// notRetryable says why a minigroup cannot be retried and what to do instead; empty when it can.
func notRetryable(m minigroup.Minigroup, now int64) string {
	switch {
	case m.State == minigroup.Failed && m.Time.Ended(now):
		return "the end of this minigroup has passed; create it with another time"
	case m.State == minigroup.Failed:
		return ""
	case m.State != minigroup.Ready:
		return "the minigroup is still being created, or undone; wait for it, or see what " +
			WorkflowID(m.Audience, m.Scope) + " waits for in Temporal and cancel it there"
	case m.Status(now) == minigroup.StatusClosed:
		return "the minigroup was created and is closed; give it new rooms with recreate"
	case m.Update != nil && m.Update.State == minigroup.UpdateFailed:
		return "the minigroup is real-time; repeat its failed update by sending the update again"
	default:
		return "the minigroup is real-time: nothing has failed"
	}
}
