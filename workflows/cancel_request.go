package workflows

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/serviceerror"

	"minigroups/minigroup"
)

// Cancel cancels the open run of a minigroup and waits for its end until the limit: a create is undone, and so is an
// update whose PATCH conference cannot have executed. It records who has asked for that. Without an open run it changes
// nothing; the sweeper undoes a create whose run is gone. Called again while the run undoes, it only waits.
func (s *Starter) Cancel(
	ctx context.Context, m minigroup.Minigroup, by minigroup.Requester, limit time.Duration,
) (minigroup.Cancellation, error) {
	waitUntil, id := time.Now().Add(limit), WorkflowID(m.Audience, m.Scope)
	result := minigroup.Cancellation{Minigroup: m, Ended: true}
	request, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	var open *openRun
	err := s.requestTemporal(request, func(ctx context.Context) (err error) {
		open, err = s.latest(ctx, id)
		return err
	})
	if err != nil {
		return result, temporalUnavailable(err)
	}
	if open == nil {
		return result, nil
	}
	result.Run, result.Operation = open.runID, open.operation
	if err := s.store.RecordCancel(request, m.ID, open.runID, by); err != nil {
		return result, unavailable("the database", err)
	}
	err = s.requestTemporal(request, func(ctx context.Context) error {
		return s.client.CancelWorkflow(ctx, id, open.runID)
	})
	var ended *serviceerror.NotFound
	if err != nil && !errors.As(err, &ended) {
		return result, temporalUnavailable(err)
	}
	result.Ended = s.awaitRun(ctx, id, open.runID, time.Until(waitUntil))
	after, err := s.read(context.WithoutCancel(ctx), minigroup.ByID(m.ID))
	switch {
	case isUnknown(err): // it was cancelled before it began, and has not written its row yet
		return result, nil
	case err != nil:
		return result, unavailable("the database", err)
	}
	result.Minigroup = after
	return result, nil
}

// awaitRun waits for the end of a run until the limit, or until the process drains, and returns whether it has ended.
func (s *Starter) awaitRun(ctx context.Context, id, runID string, limit time.Duration) bool {
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	//nolint:contextcheck // the process drains, not the request
	defer context.AfterFunc(s.draining, cancel)()
	_ = s.client.GetWorkflow(waiting, id, runID).Get(waiting, nil) // the row holds the result
	check, stop := context.WithTimeout(context.WithoutCancel(ctx), backendTimeout)
	defer stop()
	current, err := s.IsCurrent(check, id, runID)
	return err == nil && !current
}
