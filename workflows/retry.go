package workflows

import (
	"context"
	"time"

	"minigroups/minigroup"
	"minigroups/stored"
)

// Retry creates a minigroup once more that has failed, from what its row holds, and waits for it as Create does. The caller
// has read it just now. Errors besides those of Create are RetryNotPossible, where it has not failed or can be had no more,
// and OperationInProgress, where the run that failed is just ending.
func (s *Starter) Retry(ctx context.Context, failed minigroup.Minigroup, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
	if why := notRetried(failed, time.Now().Unix()); why != "" {
		return failed, 0, minigroup.Errorf(minigroup.RetryNotPossible, "%s", why)
	}
	short, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	request := failed.RetryRequest()
	heard, stop := s.notifier.subscribe(request.ID)
	defer stop()
	o := s.createOptions(request)
	o.StaticSummary = summary("Create %s for %s once more", request.Scope, request.Audience)
	run, joined, err := s.startOrJoin(short, o, CreateMinigroup, CreateInput{Request: stored.NewCreateRequest(request), MaxAttempts: s.maxAttempts})
	switch {
	case err != nil:
		return failed, 0, err
	case joined != nil && joined.runID == failed.Run: // what it has come to is known: that is no retry
		return failed, 0, inProgress("operation")
	case joined != nil && (joined.operation != operationCreate || joined.fingerprint != request.Fingerprint):
		return failed, 0, inProgress(joined.operation)
	}
	return s.awaitCreate(ctx, run, heard, request, wait)
}

// notRetried says why a minigroup is not retried and what there is to do instead; nothing where it can be.
func notRetried(m minigroup.Minigroup, now int64) string {
	switch {
	case m.State == minigroup.Failed && m.Time.Ended(now):
		return "the end of this minigroup has passed; create it with another time"
	case m.State == minigroup.Failed:
		return ""
	case m.State != minigroup.Ready:
		return "the minigroup is still being created, or undone; wait for it, or see what " + WorkflowID(m.Audience, m.Scope) + " waits for in Temporal and cancel it there"
	case m.Status(now) == minigroup.StatusClosed:
		return "the minigroup was created and is closed; give it new rooms with recreate"
	case m.Update != nil && m.Update.State == minigroup.UpdateFailed:
		return "the minigroup is real-time; its failed update is repeated by sending the update again"
	default:
		return "the minigroup is real-time: nothing has failed"
	}
}
