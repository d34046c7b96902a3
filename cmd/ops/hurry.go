package main

import (
	"context"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// hurry makes a run repeat an activity at once that it retries, and waits for the end of the run. It returns false if
// the run is open after the wait, or if Temporal does not answer: then the run repeats the activity within five
// minutes. An empty run id means the latest run.
func (a *app) hurry(ctx context.Context, workflowID, runID, activity string, wait time.Duration) (ended bool) {
	if err := a.checkTemporal(ctx); err != nil {
		a.notef("%v; the run ends within five minutes after Temporal is back", err)
		return false
	}
	run, _, err := a.describe(ctx, workflowID, runID)
	if err != nil || !run.isOpen() {
		return err == nil
	}
	requesting, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	// It fails if the run does not retry this activity at present.
	_, _ = a.temporal.WorkflowService().ResetActivity(requesting, &workflowservice.ResetActivityRequest{
		Namespace: a.cfg.Temporal.Namespace,
		Execution: &commonpb.WorkflowExecution{WorkflowId: workflowID, RunId: run.RunID},
		Activity:  &workflowservice.ResetActivityRequest_Type{Type: activity},
	})
	waiting, stop := context.WithTimeout(ctx, wait)
	defer stop()
	_ = a.temporal.GetWorkflow(waiting, workflowID, run.RunID).Get(waiting, nil) // its result is in the ledger
	run, _, err = a.describe(ctx, workflowID, run.RunID)
	return err == nil && !run.isOpen()
}
