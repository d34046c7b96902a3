package workflows

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"minigroups/activities"
	"minigroups/minigroup"
)

// Describer reads from Temporal what runs wait for. No worker has to be up.
type Describer struct {
	Client client.Client
	// Failures decrypts why steps have failed.
	Failures converter.FailureConverter
}

// Run is a run as Temporal describes it.
type Run struct {
	Info *workflowpb.WorkflowExecutionInfo
	// Steps are the steps that have failed at least once and are tried again.
	Steps []minigroup.Wait
	// task is the task of the run that no worker has finished; nil if there is none.
	task *workflowpb.PendingWorkflowTaskInfo
}

// Describe returns a run of a workflow id; an empty run id means the latest one. Without such a run it returns nil and
// no error.
func (d Describer) Describe(ctx context.Context, workflowID, runID string) (*Run, error) {
	described, err := d.Client.DescribeWorkflowExecution(ctx, workflowID, runID)
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return nil, nil //nolint:nilnil // no such run is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", workflowID, err)
	}
	run := &Run{Info: described.GetWorkflowExecutionInfo(), task: described.GetPendingWorkflowTask()}
	since := d.scheduled(ctx, workflowID, described)
	for _, pending := range described.GetPendingActivities() {
		run.Steps = append(run.Steps, d.step(pending, since[pending.GetActivityId()]))
	}
	return run, nil
}

// WaitingFor returns what the undecided operation of a minigroup waits for; nothing if all are decided.
func (d Describer) WaitingFor(ctx context.Context, m minigroup.Minigroup) ([]minigroup.Wait, error) {
	if !m.Undecided() {
		return nil, nil
	}
	run, err := d.Describe(ctx, WorkflowID(m.Audience, m.Scope), "")
	if err != nil {
		return nil, err
	}
	return run.Waits(), nil
}

// Waits says what an undecided operation waits for, of which this is the run; nil is a run that Temporal does not have.
func (r *Run) Waits() []minigroup.Wait {
	switch {
	case r == nil:
		return []minigroup.Wait{{For: minigroup.WaitForSweeper, State: "unknown to Temporal"}}
	case !r.IsOpen():
		return []minigroup.Wait{{
			For: minigroup.WaitForSweeper, State: strings.ToLower(r.Info.GetStatus().String()),
			Since: toTime(r.Info.GetCloseTime()),
		}}
	case len(r.Steps) > 0:
		return r.Steps
	}
	wait := minigroup.Wait{For: minigroup.WaitForWorker, State: "scheduled", Since: toTime(r.Info.GetStartTime())}
	if r.task != nil {
		wait.Since = toTime(r.task.GetOriginalScheduledTime())
	}
	if r.task.GetState() == enumspb.PENDING_WORKFLOW_TASK_STATE_STARTED {
		wait.State = "started"
	}
	return []minigroup.Wait{wait}
}

// IsOpen reports whether the run has not ended. It is false for nil.
func (r *Run) IsOpen() bool { return r != nil && isOpen(r.Info.GetStatus()) }

// step describes a step that is tried again since then.
func (d Describer) step(p *workflowpb.PendingActivityInfo, since time.Time) minigroup.Wait {
	wait := minigroup.Wait{
		For: minigroup.WaitForWorker, Activity: p.GetActivityType().GetName(), Step: snakeCase(p.GetActivityType().GetName()),
		State: strings.ToLower(p.GetState().String()), Since: since,
		// Temporal does not count the first attempt, which is a local activity, but the next one or the one in progress.
		Attempts: int(p.GetAttempt()),
	}
	if p.GetState() == enumspb.PENDING_ACTIVITY_STATE_SCHEDULED {
		wait.NextTry = toTime(p.GetNextAttemptScheduleTime())
	}
	if p.GetLastFailure() != nil {
		err := d.Failures.FailureToError(p.GetLastFailure())
		failure, _, _ := activities.FailureOf(err)
		wait.For, wait.LastError, wait.LastAnswer = serviceOf(err), errorText(err), failure.Detail
	}
	return wait
}

// scheduled returns when the pending activities of a run were scheduled, by their ids. The description has the time of
// the last attempt instead. If the history cannot be read, only these times are unknown.
func (d Describer) scheduled(
	ctx context.Context, workflowID string, described *workflowservice.DescribeWorkflowExecutionResponse,
) map[string]time.Time {
	since := map[string]time.Time{}
	if len(described.GetPendingActivities()) == 0 {
		return since
	}
	run := described.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	events := d.Client.GetWorkflowHistory(ctx, workflowID, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return since
		}
		if scheduled := event.GetActivityTaskScheduledEventAttributes(); scheduled != nil {
			since[scheduled.GetActivityId()] = event.GetEventTime().AsTime()
		}
	}
	return since
}

// toTime converts a timestamp; nil becomes the zero time.
func toTime(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}
