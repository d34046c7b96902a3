package workflows

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"minigroups/minigroup"
	"minigroups/stored"
)

// describedTemporal is a Temporal with one run.
type describedTemporal struct {
	client.Client
	described *workflowservice.DescribeWorkflowExecutionResponse
	err       error
	events    []*historypb.HistoryEvent
}

func (d describedTemporal) DescribeWorkflowExecution(
	context.Context, string, string,
) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return d.described, d.err
}

func (d describedTemporal) GetWorkflowHistory(
	context.Context, string, string, bool, enumspb.HistoryEventFilterType,
) client.HistoryEventIterator {
	return &someEvents{d.events}
}

type someEvents struct{ events []*historypb.HistoryEvent }

func (s *someEvents) HasNext() bool { return len(s.events) > 0 }

func (s *someEvents) Next() (*historypb.HistoryEvent, error) {
	next := s.events[0]
	s.events = s.events[1:]
	return next, nil
}

func TestWhatAMinigroupWaitsFor(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(1795472814+s, 0).UTC() }
	stamp := func(s int64) *timestamppb.Timestamp { return timestamppb.New(at(s)) }
	failures := temporal.GetDefaultFailureConverter()
	refusal := temporal.NewApplicationErrorWithOptions("conference answered 503: Get 192.0.2.1: away", "x",
		temporal.ApplicationErrorOptions{Details: []any{stored.Failure{
			Kind: minigroup.UpstreamUnavailable, Detail: "conference is not available (503)", Upstream: "conference",
		}}})
	run := func(status enumspb.WorkflowExecutionStatus) *workflowservice.DescribeWorkflowExecutionResponse {
		return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
			Execution: &commonpb.WorkflowExecution{RunId: "run-1"}, Status: status, StartTime: stamp(0), CloseTime: stamp(9),
		}}
	}
	running := func() *workflowservice.DescribeWorkflowExecutionResponse {
		return run(enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING)
	}
	stepping := running()
	stepping.PendingActivities = []*workflowpb.PendingActivityInfo{{
		ActivityId: "9", ActivityType: &commonpb.ActivityType{Name: "CreateConferenceRoom"}, Attempt: 3,
		State: enumspb.PENDING_ACTIVITY_STATE_SCHEDULED, ScheduledTime: stamp(60), NextAttemptScheduleTime: stamp(64),
		LastFailure: failures.ErrorToFailure(refusal),
	}, {
		ActivityId: "11", ActivityType: &commonpb.ActivityType{Name: "CreateEventRoom"}, Attempt: 1,
		State: enumspb.PENDING_ACTIVITY_STATE_STARTED,
	}}
	task := func(state enumspb.PendingWorkflowTaskState) *workflowservice.DescribeWorkflowExecutionResponse {
		d := running()
		d.PendingWorkflowTask = &workflowpb.PendingWorkflowTaskInfo{
			State: state, ScheduledTime: stamp(8), OriginalScheduledTime: stamp(2),
		}
		return d
	}
	scheduled := func(id string, s int64) *historypb.HistoryEvent {
		return &historypb.HistoryEvent{
			EventTime: stamp(s), Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
				ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{ActivityId: id},
			},
		}
	}
	creating := minigroup.Minigroup{State: minigroup.Creating}
	for name, c := range map[string]struct {
		class    minigroup.Minigroup
		temporal describedTemporal
		want     []minigroup.Wait
	}{
		"steps": {
			class: creating,
			temporal: describedTemporal{described: stepping, events: []*historypb.HistoryEvent{
				{EventTime: stamp(0)}, scheduled("9", 4), scheduled("11", 5),
			}},
			want: []minigroup.Wait{{
				For: "conference", Step: "create_conference_room", Activity: "CreateConferenceRoom", State: "scheduled",
				Since: at(4), NextTry: at(64), Attempts: 3, LastAnswer: "conference is not available (503)",
				LastError: "conference answered 503: Get 192.0.2.1: away",
			}, {
				For: "worker", Step: "create_event_room", Activity: "CreateEventRoom", State: "started", Since: at(5),
				Attempts: 1,
			}},
		},
		"a worker that takes the task": {
			class:    creating,
			temporal: describedTemporal{described: task(enumspb.PENDING_WORKFLOW_TASK_STATE_SCHEDULED)},
			want:     []minigroup.Wait{{For: "worker", State: "scheduled", Since: at(2)}},
		},
		"a first attempt": {
			class:    minigroup.Minigroup{State: minigroup.Ready, Update: &minigroup.Update{State: minigroup.UpdateRunning}},
			temporal: describedTemporal{described: task(enumspb.PENDING_WORKFLOW_TASK_STATE_STARTED)},
			want:     []minigroup.Wait{{For: "worker", State: "started", Since: at(2)}},
		},
		"a run that is gone": {
			class:    minigroup.Minigroup{State: minigroup.Undoing},
			temporal: describedTemporal{described: run(enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED)},
			want:     []minigroup.Wait{{For: "sweeper", State: "terminated", Since: at(9)}},
		},
		"a run that Temporal does not have": {
			class:    creating,
			temporal: describedTemporal{err: serviceerror.NewNotFound("none")},
			want:     []minigroup.Wait{{For: "sweeper", State: "unknown to Temporal"}},
		},
		"nothing, once all is decided": {
			class:    minigroup.Minigroup{State: minigroup.Ready, Update: &minigroup.Update{State: minigroup.UpdateFailed}},
			temporal: describedTemporal{err: errors.New("was asked")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			waits, err := Describer{Client: c.temporal, Failures: failures}.WaitingFor(t.Context(), c.class)
			if err != nil || !slices.Equal(waits, c.want) {
				t.Errorf("got  %+v, %v\nwant %+v", waits, err, c.want)
			}
		})
	}
	away := Describer{Client: describedTemporal{err: errors.New("away")}, Failures: failures}
	if _, err := away.WaitingFor(t.Context(), creating); err == nil {
		t.Error("it is known without Temporal")
	}
}
