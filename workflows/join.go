package workflows

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"minigroups/minigroup"
)

// openRun is an open run, as its memo describes it.
type openRun struct {
	runID       string
	operation   string
	fingerprint string
	update      uuid.UUID
}

// maxStarts bounds how often a start is repeated because the run in its way ended in between.
const maxStarts = 5

// startOrJoin starts a run for the audience within ctx, which must have a deadline, when it is its turn. When a run is
// open under the same workflow id, it returns that run and its memo instead. A start that is repeated, because Temporal
// was busy, may find the run that it has started itself. The caller calls end when it does not wait for the run any
// more.
func (s *Starter) startOrJoin(
	ctx context.Context, audience string, o client.StartWorkflowOptions, workflow, input any,
) (run client.WorkflowRun, open *openRun, end func(), err error) {
	end, err = s.starts.do(ctx, audience, func() error {
		for range maxStarts {
			err := s.requestTemporal(ctx, func(ctx context.Context) (err error) {
				run, err = s.client.ExecuteWorkflow(ctx, o, workflow, input)
				return err
			})
			if !alreadyStarted(err) {
				return err
			}
			err = s.requestTemporal(ctx, func(ctx context.Context) (err error) {
				open, err = s.latest(ctx, o.ID)
				return err
			})
			if err != nil || open != nil {
				return err
			}
		}
		return inProgress("operation")
	})
	var public *minigroup.Error
	switch {
	case errors.As(err, &public):
		return nil, nil, nil, err
	case err != nil:
		return nil, nil, nil, temporalUnavailable(err)
	case open != nil:
		return s.client.GetWorkflow(ctx, o.ID, open.runID), open, end, nil
	default:
		return run, nil, end, nil
	}
}

// startOrJoinUpdate is startOrJoin for an update of a minigroup that the caller has read as ready. The row shows the
// result of a run some milliseconds before the run ends, and the caller may act on it: a run that is decided is waited
// for, and not joined.
func (s *Starter) startOrJoinUpdate(
	ctx context.Context, audience string, o client.StartWorkflowOptions, workflow, input any,
) (run client.WorkflowRun, joined *openRun, end func(), err error) {
	for {
		run, joined, end, err = s.startOrJoin(ctx, audience, o, workflow, input)
		if err != nil || joined == nil {
			return run, joined, end, err
		}
		decided, err := s.isDecided(ctx, *joined)
		if err != nil {
			end()
			return nil, nil, nil, unavailable("the database", err)
		}
		if !decided {
			return run, joined, end, nil
		}
		_ = run.Get(ctx, nil) // its result is known
		select {
		case <-ctx.Done():
			return run, joined, end, nil
		default:
			end()
		}
	}
}

// isDecided reports whether the row shows the result of the open run of a minigroup that is ready.
func (s *Starter) isDecided(ctx context.Context, open openRun) (bool, error) {
	if open.operation == operationCreate {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	rec, err := s.store.UpdateRecord(ctx, open.update)
	if isUnknown(err) { // it has not begun
		return false, nil
	}
	return rec.State == minigroup.UpdateDone || rec.State == minigroup.UpdateFailed, err
}

// IsCurrent reports whether the run is the latest of its workflow id and open.
func (s *Starter) IsCurrent(ctx context.Context, workflowID, runID string) (bool, error) {
	open, err := s.latest(ctx, workflowID)
	if err != nil {
		return false, err
	}
	return open != nil && open.runID == runID, nil
}

// latest returns the latest run of the workflow id; nil when it is not open.
func (s *Starter) latest(ctx context.Context, workflowID string) (*openRun, error) {
	d, err := s.client.DescribeWorkflowExecution(ctx, workflowID, "")
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return nil, nil //nolint:nilnil // no open run is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", workflowID, err)
	}
	info := d.GetWorkflowExecutionInfo()
	if !isOpen(info.GetStatus()) {
		return nil, nil //nolint:nilnil // no open run is an answer
	}
	open := &openRun{runID: info.GetExecution().GetRunId()}
	for key, to := range map[string]any{
		memoOperation: &open.operation, memoFingerprint: &open.fingerprint, memoUpdate: &open.update,
	} {
		if payload, ok := info.GetMemo().GetFields()[key]; ok {
			if err := converter.GetDefaultDataConverter().FromPayload(payload, to); err != nil {
				return nil, fmt.Errorf("read memo of %s: %w", workflowID, err)
			}
		}
	}
	return open, nil
}

func isOpen(status enumspb.WorkflowExecutionStatus) bool {
	return status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING || status == enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED
}

// alreadyStarted reports whether a run was not started because one is open under its workflow id.
func alreadyStarted(err error) bool {
	var running *serviceerror.WorkflowExecutionAlreadyStarted
	return errors.As(err, &running)
}
