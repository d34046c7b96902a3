package ops

import (
	"context"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// hurryEvery is how often hurry asks for another attempt. It leaves an attempt the time to end.
const hurryEvery = 5 * time.Second

// hurry makes a run repeat an activity at once that it retries, and waits for the end of the run. It returns false if
// the run is open after the wait, or if Temporal does not answer: then the run repeats the activity within five
// minutes. An empty run id means the latest run.
func (a *app) hurry(ctx context.Context, workflowID, runID, activity string, wait time.Duration) (ended bool) {
	if err := a.checkTemporal(ctx); err != nil {
		a.notef("%v; the run ends within five minutes after Temporal is back", err)
		return false
	}
	run, err := a.describe(ctx, workflowID, runID)
	if err != nil || !run.IsOpen() {
		return err == nil
	}
	runID = run.Info.GetExecution().GetRunId()
	waiting, stop := context.WithTimeout(ctx, wait)
	defer stop()
	for over := false; !over && waiting.Err() == nil; {
		// It fails if the run does not retry this activity at present, and changes nothing for an attempt in progress, which
		// may have begun too early to find why it should end. Therefore it is repeated.
		_, _ = a.temporal.WorkflowService().ResetActivity(waiting, &workflowservice.ResetActivityRequest{
			Namespace: a.cfg.Temporal.Namespace,
			Execution: &commonpb.WorkflowExecution{WorkflowId: workflowID, RunId: runID},
			Activity:  &workflowservice.ResetActivityRequest_Type{Type: activity},
		})
		attempt, cancel := context.WithTimeout(waiting, hurryEvery)
		_ = a.temporal.GetWorkflow(attempt, workflowID, runID).Get(attempt, nil) // its result is in the ledger
		over = attempt.Err() == nil
		cancel()
	}
	run, err = a.describe(ctx, workflowID, runID)
	return err == nil && !run.IsOpen()
}
