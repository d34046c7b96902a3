package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"

	"minigroups/activities"
)

// eachRun calls do with every run that a query finds.
func (c Checker) eachRun(ctx context.Context, query string, do func(id, run string) error) error {
	var next []byte
	for {
		listed, err := c.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			PageSize: 1000, NextPageToken: next, Query: query,
		})
		if err != nil {
			return fmt.Errorf("list runs: %w", err)
		}
		for _, e := range listed.GetExecutions() {
			if err := do(e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId()); err != nil {
				return err
			}
		}
		if next = listed.GetNextPageToken(); len(next) == 0 {
			return nil
		}
	}
}

// history reads all events of a run.
func (c Checker) history(ctx context.Context, id, run string) (all []*history.HistoryEvent, err error) {
	events := c.Client.GetWorkflowHistory(ctx, id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil, fmt.Errorf("read history of %s: %w", id, err)
		}
		all = append(all, event)
	}
	return all, nil
}

// checkUndos finds cancelled creates that did not undo themselves. The rows alone do not show it, because the sweeper
// undoes what ended runs leave behind, or the next create takes over.
func (c Checker) checkUndos(ctx context.Context, f *Findings) error {
	return c.eachRun(ctx, `ExecutionStatus = "Canceled" AND WorkflowType = "CreateMinigroup"`, func(id, run string) error {
		events, err := c.history(ctx, id, run)
		if err != nil {
			return err
		}
		isUndo := func(e *history.HistoryEvent) bool { return strings.Contains(e.String(), "BeginUndo") }
		if !slices.ContainsFunc(events, isUndo) {
			f.AddViolation("%s was cancelled and did not undo itself", id)
		}
		return nil
	})
}

// checkSuperseded finds runs that failed as superseded. A run must own its row while it is open. There are two
// exceptions. A run that continues another one after a reset did not execute the first step. And one that was cancelled
// before its first step leaves the row of a terminated run to the sweeper.
func (c Checker) checkSuperseded(ctx context.Context, f *Findings) error {
	query := `ExecutionStatus = "Failed" AND WorkflowType IN
		("CreateMinigroup", "UpdateMinigroup", "RecreateMinigroup", "UndoMinigroup")`
	return c.eachRun(ctx, query, func(id, run string) error {
		events, err := c.history(ctx, id, run)
		if err != nil {
			return err
		}
		first := events[0].GetWorkflowExecutionStartedEventAttributes()
		failure := events[len(events)-1].GetWorkflowExecutionFailedEventAttributes().GetFailure()
		isSuperseded := failure.GetApplicationFailureInfo().GetType() == activities.Superseded
		if isSuperseded && first.GetOriginalExecutionRunId() == run && !isCancelledFirst(events) {
			f.AddViolation("the run %s of %s was open and lost its row: %s", run, id, failure.GetMessage())
		}
		return nil
	})
}

// isCancelledFirst reports whether a run was cancelled, and no step of it has succeeded.
func isCancelledFirst(events []*history.HistoryEvent) bool {
	isCancel := func(e *history.HistoryEvent) bool {
		return e.GetEventType() == enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED
	}
	hasSucceeded := func(e *history.HistoryEvent) bool {
		marker := e.GetMarkerRecordedEventAttributes()
		return e.GetEventType() == enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED ||
			marker.GetMarkerName() == "LocalActivity" && marker.GetFailure() == nil
	}
	return slices.ContainsFunc(events, isCancel) && !slices.ContainsFunc(events, hasSucceeded)
}
