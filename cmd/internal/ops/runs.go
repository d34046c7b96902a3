package ops

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"minigroups/workflows"
)

// runInfo is a run of a workflow as Temporal describes it.
type runInfo struct {
	RunID     string    `json:"run_id"`
	Type      string    `json:"type"`
	Status    string    `json:"status"`
	Started   time.Time `json:"started_at,omitzero"`
	Closed    time.Time `json:"closed_at,omitzero"`
	Stage     string    `json:"stage,omitempty"`
	Attention bool      `json:"attention"`
}

// isOpen reports whether the run has not ended. It is false for nil.
func (r *runInfo) isOpen() bool {
	return r != nil && (r.Status == "running" || r.Status == "paused")
}

// pendingStep is an activity that a run waits for.
type pendingStep struct {
	Activity    string    `json:"activity"`
	State       string    `json:"state"`
	Attempt     int32     `json:"attempt"`
	LastFailure string    `json:"last_failure,omitempty"`
	NextAttempt time.Time `json:"next_attempt_at,omitzero"`
}

func (s pendingStep) String() string {
	text := fmt.Sprintf("%s (%s, attempt %d)", s.Activity, s.State, s.Attempt)
	if s.LastFailure != "" {
		text += ": " + s.LastFailure
	}
	return text
}

// describe returns a run of a workflow id, and the steps it waits for. An empty run id means the latest run. Without
// such a run it returns nil and no error.
func (a *app) describe(ctx context.Context, workflowID, runID string) (*runInfo, []pendingStep, error) {
	ctx, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	d, err := a.temporal.DescribeWorkflowExecution(ctx, workflowID, runID)
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("describe %s: %w", workflowID, err)
	}
	steps := []pendingStep{}
	for _, p := range d.GetPendingActivities() {
		steps = append(steps, pendingStep{
			Activity: p.GetActivityType().GetName(), State: strings.ToLower(p.GetState().String()), Attempt: p.GetAttempt(),
			LastFailure: p.GetLastFailure().GetMessage(), NextAttempt: toTime(p.GetNextAttemptScheduleTime()),
		})
	}
	return newRunInfo(d.GetWorkflowExecutionInfo()), steps, nil
}

func newRunInfo(info *workflowpb.WorkflowExecutionInfo) *runInfo {
	r := &runInfo{
		RunID: info.GetExecution().GetRunId(), Type: info.GetType().GetName(),
		Status:  strings.ToLower(info.GetStatus().String()),
		Started: toTime(info.GetStartTime()), Closed: toTime(info.GetCloseTime()),
	}
	attributes := info.GetSearchAttributes().GetIndexedFields()
	for name, target := range map[string]any{
		workflows.AttributeStage.GetName(): &r.Stage, workflows.AttributeAttention.GetName(): &r.Attention,
	} {
		if payload, ok := attributes[name]; ok {
			// An attribute that cannot be decoded is left out.
			_ = converter.GetDefaultDataConverter().FromPayload(payload, target)
		}
	}
	return r
}

// toTime converts a timestamp; nil becomes the zero time.
func toTime(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

// maxRuns bounds how many runs of a minigroup are listed.
const maxRuns = 20

// runsOf lists the latest runs of a workflow id, the latest first.
func (a *app) runsOf(ctx context.Context, workflowID string) ([]*runInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	found, err := a.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: a.cfg.Temporal.Namespace, PageSize: maxRuns,
		Query: fmt.Sprintf("WorkflowId = '%s'", workflowID), // WorkflowID percent-encodes quotes
	})
	if err != nil {
		return nil, fmt.Errorf("list the runs of %s: %w", workflowID, err)
	}
	runs := []*runInfo{}
	for _, info := range found.GetExecutions() {
		runs = append(runs, newRunInfo(info))
	}
	return runs, nil
}
