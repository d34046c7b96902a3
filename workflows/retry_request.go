package workflows

import (
	"context"
	"time"

	"minigroups/minigroup"
)

// Retry creates a failed minigroup again from its row, and waits for it as Create does. failed is the minigroup as the
// caller has just read it. While the create that it was read from is in progress, Retry joins its run, as an equal
// create does. Errors besides those of Create are RetryNotPossible when the minigroup is ready or its end has passed.
func (s *Starter) Retry(
	ctx context.Context, failed minigroup.Minigroup, by minigroup.Requester, limit time.Duration,
) (minigroup.Minigroup, minigroup.Outcome, error) {
	if err := checkRetryable(failed, time.Now().Unix()); err != nil {
		return failed, 0, err
	}
	waitUntil := time.Now().Add(limit)
	startCtx, cancel := s.startContext(ctx, limit)
	defer cancel()
	r := failed.RetryRequest()
	r.RequestedBy = by
	request := s.createStart(r)
	request.options.StaticSummary = summary("Retry %s for %s", r.Scope, r.Audience)
	notifications, stop := s.notifier.subscribe(r.ID)
	defer stop()
	run, _, end, err := s.startOrJoin(startCtx, request)
	if err != nil {
		return failed, 0, err
	}
	defer end()
	return s.await(ctx, waiter{run: run, notifications: notifications, row: createRow{s.store, r}}, time.Until(waitUntil))
}

// checkRetryable returns nil if a minigroup can be retried, or its create joined. Otherwise it returns an error that
// says what to do instead.
func checkRetryable(m minigroup.Minigroup, now int64) error {
	why := "the minigroup is real-time: nothing has failed"
	switch {
	case m.State == minigroup.Failed && !m.ErasedAt.IsZero():
		why = "the personal data of this minigroup was erased; create it again"
	case m.State == minigroup.Failed && m.Time.Ended(now):
		why = "the end of this minigroup has passed; create it with another time"
	case m.State != minigroup.Ready && m.Time.Ended(now): // no create may be started for it
		return inProgress(operationCreate)
	case m.State != minigroup.Ready:
		return nil
	case m.Status(now) == minigroup.StatusClosed:
		why = "the minigroup was created and is closed; give it new rooms with recreate"
	case m.Update != nil && m.Update.State == minigroup.UpdateFailed:
		why = "the minigroup is real-time; repeat its failed update by sending the update again"
	}
	return minigroup.Errorf(minigroup.RetryNotPossible, "%s", why)
}
