package main

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

// runShown is a run as Temporal tells it.
type runShown struct {
	RunID     string    `json:"run_id"`
	Type      string    `json:"type"`
	Status    string    `json:"status"`
	Started   time.Time `json:"started_at,omitzero"`
	Closed    time.Time `json:"closed_at,omitzero"`
	Stage     string    `json:"stage,omitempty"`
	Attention bool      `json:"attention"`
}

// stepShown is a step that a run waits for.
type stepShown struct {
	Activity    string    `json:"activity"`
	State       string    `json:"state"`
	Attempt     int32     `json:"attempt"`
	LastFailure string    `json:"last_failure,omitempty"`
	NextTry     time.Time `json:"next_try_at,omitzero"`
}

func (s stepShown) String() string {
	text := fmt.Sprintf("%s (%s, attempt %d)", s.Activity, s.State, s.Attempt)
	if s.LastFailure != "" {
		text += ": " + s.LastFailure
	}
	return text
}

// describe asks Temporal for a run of a workflow id (empty: the latest), and what it waits for. Without such a run it returns nil.
func (a *app) describe(ctx context.Context, workflowID, runID string) (*runShown, []stepShown, error) {
	ctx, cancel := context.WithTimeout(ctx, reachable)
	defer cancel()
	d, err := a.temporal.DescribeWorkflowExecution(ctx, workflowID, runID)
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("ask Temporal for %s: %w", workflowID, err)
	}
	steps := []stepShown{}
	for _, p := range d.GetPendingActivities() {
		steps = append(steps, stepShown{
			Activity: p.GetActivityType().GetName(), State: strings.ToLower(p.GetState().String()), Attempt: p.GetAttempt(),
			LastFailure: p.GetLastFailure().GetMessage(), NextTry: at(p.GetNextAttemptScheduleTime()),
		})
	}
	return runOf(d.GetWorkflowExecutionInfo()), steps, nil
}

func runOf(info *workflowpb.WorkflowExecutionInfo) *runShown {
	r := &runShown{
		RunID: info.GetExecution().GetRunId(), Type: info.GetType().GetName(), Status: strings.ToLower(info.GetStatus().String()),
		Started: at(info.GetStartTime()), Closed: at(info.GetCloseTime()),
	}
	attributes := info.GetSearchAttributes().GetIndexedFields()
	for name, to := range map[string]any{workflows.AttributeStage.GetName(): &r.Stage, workflows.AttributeAttention.GetName(): &r.Attention} {
		if payload, ok := attributes[name]; ok {
			_ = converter.GetDefaultDataConverter().FromPayload(payload, to) // what cannot be read is not shown
		}
	}
	return r
}

// at is zero where Temporal tells no time.
func at(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func (r *runShown) open() bool {
	return r != nil && (r.Status == "running" || r.Status == "paused")
}

// shownRuns bounds how many runs of a minigroup are shown.
const shownRuns = 20

// runsOf lists the last runs of a workflow id, the latest first.
func (a *app) runsOf(ctx context.Context, workflowID string) ([]*runShown, error) {
	ctx, cancel := context.WithTimeout(ctx, reachable)
	defer cancel()
	found, err := a.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: a.cfg.Temporal.Namespace, PageSize: shownRuns,
		Query: fmt.Sprintf("WorkflowId = '%s'", workflowID), // in which quotes are escaped
	})
	if err != nil {
		return nil, fmt.Errorf("ask Temporal for the runs of %s: %w", workflowID, err)
	}
	runs := []*runShown{}
	for _, info := range found.GetExecutions() {
		runs = append(runs, runOf(info))
	}
	return runs, nil
}
