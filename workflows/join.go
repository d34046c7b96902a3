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
	"go.temporal.io/sdk/temporal"

	"minigroups/minigroup"
)

// openRun is an open run, as its memo describes it.
type openRun struct {
	runID       string
	operation   string
	fingerprint string
	update      uuid.UUID
}

// start is a request for a run of a minigroup. The memo in its options says what it requests.
type start struct {
	class    uuid.UUID
	audience string
	options  client.StartWorkflowOptions
	workflow any
	input    any
}

func (r start) operation() string { return r.options.Memo[memoOperation].(string) }

// requestedBy reports whether the run carries out a request that equals r.
func (o openRun) requestedBy(r start) bool {
	return o.operation == r.operation() && o.fingerprint == r.options.Memo[memoFingerprint]
}

// startOrJoin starts the run of a request within ctx, which must have a deadline, when it is its turn. When a run for
// an equal request is open, it joins that run, and joined describes it. While a run for another request is open, it
// returns OperationInProgress. The caller calls end when it does not wait for the run any more.
//
// The row shows the result of a run some time before the run closes, and a caller may act on that result: it sends a
// create again that has failed, or updates a minigroup that is ready. A run whose result the row shows is therefore
// not joined. startOrJoin waits until it has closed, and starts another. If ctx ends before, it returns
// OperationInProgress.
func (s *Starter) startOrJoin(
	ctx context.Context, r start,
) (run client.WorkflowRun, joined *openRun, end func(), err error) {
	for {
		run, open, end, err := s.startOrFind(ctx, r)
		if err != nil || open == nil {
			return run, nil, end, err
		}
		decided, err := s.isDecided(ctx, r, *open)
		if err == nil && !decided && open.requestedBy(r) {
			return run, open, end, nil
		}
		end()
		switch {
		case err != nil:
			return nil, nil, nil, unavailable("the database", err)
		case !decided:
			return nil, nil, nil, inProgress(open.operation)
		}
		if err := s.awaitClose(ctx, run, open.operation); err != nil {
			return nil, nil, nil, err
		}
	}
}

// maxStarts bounds how often a start is repeated because the run in its way ended in between.
const maxStarts = 5

// startOrFind starts a run. When one is open under its workflow id, it returns that run and its memo instead. A start
// that is repeated, because Temporal was busy, may find the run that it has started itself.
func (s *Starter) startOrFind(
	ctx context.Context, r start,
) (run client.WorkflowRun, open *openRun, end func(), err error) {
	end, err = s.starts.do(ctx, r.audience, func() error {
		for range maxStarts {
			err := s.requestTemporal(ctx, func(ctx context.Context) (err error) {
				run, err = s.client.ExecuteWorkflow(ctx, r.options, r.workflow, r.input)
				return err
			})
			if !alreadyStarted(err) {
				return err
			}
			err = s.requestTemporal(ctx, func(ctx context.Context) (err error) {
				open, err = s.latest(ctx, r.options.ID)
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
		return s.client.GetWorkflow(ctx, r.options.ID, open.runID), open, end, nil
	default:
		return run, nil, end, nil
	}
}

// isDecided reports whether the row shows the result of an open run. A create that has succeeded does not count if r
// is a create too: that result is the one which r asks for.
func (s *Starter) isDecided(ctx context.Context, r start, open openRun) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	if open.update == uuid.Nil {
		m, err := s.store.ByID(ctx, r.class)
		if isUnknown(err) { // it has not begun
			return false, nil
		}
		failed := m.State == minigroup.Failed && m.Run == open.runID
		return failed || (m.State == minigroup.Ready && r.operation() != operationCreate), err
	}
	rec, err := s.store.UpdateRecord(ctx, open.update)
	if isUnknown(err) { // it has not begun
		return false, nil
	}
	return rec.State == minigroup.UpdateDone || rec.State == minigroup.UpdateFailed, err
}

// awaitClose waits until a run has closed. It returns OperationInProgress if ctx ends before.
func (s *Starter) awaitClose(ctx context.Context, run client.WorkflowRun, operation string) error {
	err := s.requestTemporal(ctx, func(ctx context.Context) error {
		err := run.Get(ctx, nil)
		var closed *temporal.WorkflowExecutionError
		if errors.As(err, &closed) {
			return nil
		}
		return err
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return inProgress(operation)
	default:
		return temporalUnavailable(err)
	}
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
