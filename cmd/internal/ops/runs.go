package ops

import (
	"context"
	"fmt"
	"strings"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"minigroups/minigroup"
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

// pendingStep is a step that a run waits for, or the worker or the sweeper if it waits for one of them.
type pendingStep struct {
	For         string    `json:"for"`
	Activity    string    `json:"activity,omitempty"`
	State       string    `json:"state"`
	Since       time.Time `json:"since,omitzero"`
	Attempt     int       `json:"attempt,omitempty"`
	LastFailure string    `json:"last_failure,omitempty"`
	NextAttempt time.Time `json:"next_attempt_at,omitzero"`
}

func newPendingSteps(waits []minigroup.Wait) []pendingStep {
	steps := []pendingStep{}
	for _, w := range waits {
		steps = append(steps, pendingStep{
			For: w.For, Activity: w.Activity, State: w.State, Since: w.Since, Attempt: w.Attempts, LastFailure: w.LastError,
			NextAttempt: w.NextTry,
		})
	}
	return steps
}

func (s pendingStep) String() string {
	switch {
	case s.For == minigroup.WaitForSweeper:
		return fmt.Sprintf("the sweeper, as its run is %s (now: ops sweep classes)", s.State)
	case s.Activity == "":
		return "a worker"
	}
	text := fmt.Sprintf("%s (%s, attempt %d)", s.Activity, s.State, s.Attempt)
	if s.LastFailure != "" {
		text += ": " + s.LastFailure
	}
	return text
}

// describe returns a run of a workflow id. An empty run id means the latest run. Without such a run it returns nil and
// no error.
func (a *app) describe(ctx context.Context, workflowID, runID string) (*workflows.Run, error) {
	ctx, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	return workflows.Describer{Client: a.temporal, Failures: a.failures}.Describe(ctx, workflowID, runID)
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
