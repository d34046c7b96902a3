package e2e

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// These helpers do to runs what the buttons of the Temporal UI do.

// describeLatest returns the run id, the workflow type and the status of the latest run of a workflow id.
func describeLatest(t testing.TB, workflowID string) (run, kind string, status enumspb.WorkflowExecutionStatus) {
	t.Helper()
	d, err := sut.client.DescribeWorkflowExecution(t.Context(), workflowID, "")
	if err != nil {
		t.Fatal(err)
	}
	info := d.GetWorkflowExecutionInfo()
	return info.GetExecution().GetRunId(), info.GetType().GetName(), info.GetStatus()
}

func (c *class) latestRun() string {
	c.t.Helper()
	run, _, _ := describeLatest(c.t, c.workflowID())
	return run
}

// awaitRunStatus waits until the latest run of the class has this status.
func (c *class) awaitRunStatus(want enumspb.WorkflowExecutionStatus) {
	c.t.Helper()
	eventually(c.t, func() error {
		if _, kind, status := describeLatest(c.t, c.workflowID()); status != want {
			return fmt.Errorf("the run of %s is %s, want %s", kind, status, want)
		}
		return nil
	})
}

func (c *class) cancel() {
	c.t.Helper()
	if err := sut.client.CancelWorkflow(c.t.Context(), c.workflowID(), ""); err != nil {
		c.t.Fatal(err)
	}
}

func (c *class) terminate() {
	c.t.Helper()
	terminate(c.t, c.workflowID())
}

func terminate(t testing.TB, workflowID string) {
	t.Helper()
	if err := sut.client.TerminateWorkflow(t.Context(), workflowID, "", "a test pressed Terminate"); err != nil {
		t.Fatal(err)
	}
}

func execution(workflowID, run string) *commonpb.WorkflowExecution {
	return &commonpb.WorkflowExecution{WorkflowId: workflowID, RunId: run}
}

// events returns the history of a run; an empty run id is the latest.
func (c *class) events(run string) (events []*historypb.HistoryEvent) {
	c.t.Helper()
	history := sut.client.GetWorkflowHistory(c.t.Context(), c.workflowID(), run, false,
		enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		if err != nil {
			c.t.Fatal(err)
		}
		events = append(events, event)
	}
	return events
}

// workflowTaskEnds lists the events that end the workflow tasks of a run: the points to which it can be reset.
func (c *class) workflowTaskEnds(run string) (ids []int64) {
	c.t.Helper()
	for _, event := range c.events(run) {
		if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			ids = append(ids, event.GetEventId())
		}
	}
	return ids
}

// reset resets a run to the end of a workflow task and returns the run that continues from there.
func (c *class) reset(run string, event int64) string {
	c.t.Helper()
	r, err := sut.client.ResetWorkflowExecution(c.t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: sut.cfg.Temporal.Namespace, WorkflowExecution: execution(c.workflowID(), run),
		Reason: "a test pressed Reset", RequestId: uuid.NewString(), WorkflowTaskFinishEventId: event,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return r.GetRunId()
}

func (c *class) resetToFirst(run string) string {
	c.t.Helper()
	return c.reset(run, c.workflowTaskEnds(run)[0])
}

// resetToLast resets the latest run to its last workflow task, which must not be its first.
func (c *class) resetToLast() {
	c.t.Helper()
	run := c.latestRun()
	ends := c.workflowTaskEnds(run)
	if len(ends) < 2 {
		c.t.Fatal("the run has one workflow task, so this tests nothing")
	}
	if next := c.reset(run, ends[len(ends)-1]); c.latestRun() != next {
		c.t.Fatal("the run that continues is not the latest")
	}
}

// retryNow starts the next attempt of a pending activity at once, as Reset of a pending activity in the UI does.
func (c *class) retryNow(activity string) {
	c.t.Helper()
	_, err := sut.client.WorkflowService().ResetActivity(c.t.Context(), &workflowservice.ResetActivityRequest{
		Namespace: sut.cfg.Temporal.Namespace, Execution: execution(c.workflowID(), ""), Identity: "e2e",
		Activity: &workflowservice.ResetActivityRequest_Type{Type: activity},
	})
	if err != nil {
		c.t.Fatal(err)
	}
}
