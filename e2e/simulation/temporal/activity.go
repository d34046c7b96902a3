package temporal

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
)

// timedOut is the failure of an attempt that no worker has answered in time.
func timedOut() *failurepb.Failure {
	return &failurepb.Failure{
		Message: "activity StartToClose timeout", FailureInfo: &failurepb.Failure_TimeoutFailureInfo{
			TimeoutFailureInfo: &failurepb.TimeoutFailureInfo{TimeoutType: enumspb.TIMEOUT_TYPE_START_TO_CLOSE},
		},
	}
}

// activity is an activity of a run until its result is in the history.
type activity struct {
	run       *run
	command   *commandpb.ScheduleActivityTaskCommandAttributes
	scheduled int64 // its event
	attempt   int32
	running   bool
	// timer fires the next attempt, or times out the one that runs.
	timer           *time.Timer
	lastFailure     *failurepb.Failure
	identity        string
	cancelRequested bool
}

func (a *activity) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

func (a *activity) token() []byte {
	return fmt.Appendf(nil, "%s %d %d", a.run.id, a.scheduled, a.attempt)
}

func (s *Server) scheduleActivity(
	r *run, c *commandpb.ScheduleActivityTaskCommandAttributes, event *historypb.HistoryEvent, completed int64,
) {
	event.Attributes = &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
		ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
			ActivityId: c.GetActivityId(), ActivityType: c.GetActivityType(), TaskQueue: c.GetTaskQueue(),
			Header: c.GetHeader(), Input: c.GetInput(), ScheduleToCloseTimeout: c.GetScheduleToCloseTimeout(),
			ScheduleToStartTimeout: c.GetScheduleToStartTimeout(), StartToCloseTimeout: c.GetStartToCloseTimeout(),
			HeartbeatTimeout: c.GetHeartbeatTimeout(), WorkflowTaskCompletedEventId: completed,
			RetryPolicy: c.GetRetryPolicy(),
		},
	}
	a := &activity{run: r, command: c, attempt: 1}
	a.scheduled = r.add(enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, event).GetEventId()
	r.activities[a.scheduled] = a
	s.offer(a)
}

func (s *Server) pollActivityTask(
	ctx context.Context, r *workflowservice.PollActivityTaskQueueRequest,
) *workflowservice.PollActivityTaskQueueResponse {
	for {
		got, ok := s.take(ctx, r.GetIdentity(), activityKind)
		if !ok {
			return &workflowservice.PollActivityTaskQueueResponse{}
		}
		s.mu.Lock()
		answer := s.startActivity(got.(*activity), r.GetIdentity())
		s.mu.Unlock()
		if answer != nil {
			return answer
		}
	}
}

// startActivity hands an attempt to a worker; it returns nil if it is not wanted any more.
func (s *Server) startActivity(a *activity, identity string) *workflowservice.PollActivityTaskQueueResponse {
	if !a.wanted() {
		return nil
	}
	a.running, a.identity = true, identity
	attempt := a.attempt
	a.timer = time.AfterFunc(a.command.GetStartToCloseTimeout().AsDuration(), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if a.awaited() && a.running && a.attempt == attempt {
			s.failAttempt(a, timedOut())
		}
	})
	now := timestamppb.New(time.Now())
	return &workflowservice.PollActivityTaskQueueResponse{
		TaskToken: a.token(), WorkflowNamespace: namespace, WorkflowType: a.run.input.GetWorkflowType(),
		WorkflowExecution: a.run.execution(), ActivityType: a.command.GetActivityType(),
		ActivityId: a.command.GetActivityId(), Header: a.command.GetHeader(), Input: a.command.GetInput(),
		ScheduledTime: now, CurrentAttemptScheduledTime: now, StartedTime: now, Attempt: a.attempt,
		ScheduleToCloseTimeout: a.command.GetScheduleToCloseTimeout(),
		StartToCloseTimeout:    a.command.GetStartToCloseTimeout(),
		HeartbeatTimeout:       a.command.GetHeartbeatTimeout(), RetryPolicy: a.command.GetRetryPolicy(),
	}
}

const activityKind = "activity"

func (a *activity) kind() string { return activityKind }
func (a *activity) wanted() bool { return a.awaited() && !a.running }
func (a *activity) String() string {
	return a.command.GetActivityType().GetName() + " of " + a.run.workflowID
}

// awaited reports whether the run still waits for the activity.
func (a *activity) awaited() bool { return a.run.activities[a.scheduled] == a }

// runningAttempt returns the attempt that a worker answers.
func (s *Server) runningAttempt(token []byte) (*activity, error) {
	var id string
	var scheduled int64
	var attempt int32
	if _, err := fmt.Sscan(string(token), &id, &scheduled, &attempt); err != nil {
		return nil, serviceerror.NewInvalidArgument(err.Error())
	}
	r := s.runs[id]
	if r == nil {
		return nil, serviceerror.NewNotFound("activity task not found")
	}
	a := r.activities[scheduled]
	if a == nil || !a.running || a.attempt != attempt {
		return nil, serviceerror.NewNotFound("activity task not found")
	}
	return a, nil
}

func (s *Server) completeActivity(
	r *workflowservice.RespondActivityTaskCompletedRequest,
) (*workflowservice.RespondActivityTaskCompletedResponse, error) {
	a, err := s.runningAttempt(r.GetTaskToken())
	if err != nil {
		return nil, err
	}
	s.endActivity(a, enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, func(started int64) *historypb.HistoryEvent {
		return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{
			ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{
				Result: r.GetResult(), ScheduledEventId: a.scheduled, StartedEventId: started,
			},
		}}
	})
	return &workflowservice.RespondActivityTaskCompletedResponse{}, nil
}

func (s *Server) failActivity(
	r *workflowservice.RespondActivityTaskFailedRequest,
) (*workflowservice.RespondActivityTaskFailedResponse, error) {
	a, err := s.runningAttempt(r.GetTaskToken())
	if err != nil {
		return nil, err
	}
	s.failAttempt(a, r.GetFailure())
	return &workflowservice.RespondActivityTaskFailedResponse{}, nil
}

func (s *Server) cancelActivity(
	r *workflowservice.RespondActivityTaskCanceledRequest,
) (*workflowservice.RespondActivityTaskCanceledResponse, error) {
	a, err := s.runningAttempt(r.GetTaskToken())
	if err != nil {
		return nil, err
	}
	s.cancelled(a, r.GetDetails())
	return &workflowservice.RespondActivityTaskCanceledResponse{}, nil
}

func (s *Server) cancelled(a *activity, details *commonpb.Payloads) {
	s.endActivity(a, enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED, func(started int64) *historypb.HistoryEvent {
		return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskCanceledEventAttributes{
			ActivityTaskCanceledEventAttributes: &historypb.ActivityTaskCanceledEventAttributes{
				Details: details, ScheduledEventId: a.scheduled, StartedEventId: started,
			},
		}}
	})
}

// requestCancelActivity cancels an activity that waits for its next attempt. One that runs is not told, because it
// sends no heartbeats.
func (s *Server) requestCancelActivity(r *run, scheduled, completed int64) {
	r.add(enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED, &historypb.HistoryEvent{
		Attributes: &historypb.HistoryEvent_ActivityTaskCancelRequestedEventAttributes{
			ActivityTaskCancelRequestedEventAttributes: &historypb.ActivityTaskCancelRequestedEventAttributes{
				ScheduledEventId: scheduled, WorkflowTaskCompletedEventId: completed,
			},
		},
	})
	if a := r.activities[scheduled]; a != nil {
		a.cancelRequested = true
		if !a.running {
			s.cancelled(a, nil)
		}
	}
}

// failAttempt schedules the next attempt, if there is one.
func (s *Server) failAttempt(a *activity, failure *failurepb.Failure) {
	a.stop()
	a.running, a.lastFailure = false, failure
	policy := a.command.GetRetryPolicy()
	application := failure.GetApplicationFailureInfo()
	final := application.GetNonRetryable() || slices.Contains(policy.GetNonRetryableErrorTypes(), application.GetType()) ||
		policy.GetMaximumAttempts() > 0 && a.attempt >= policy.GetMaximumAttempts()
	switch {
	case a.cancelRequested && !final:
		s.cancelled(a, nil)
	case final:
		s.endFailed(a, failure, policy.GetMaximumAttempts() > 0 && a.attempt >= policy.GetMaximumAttempts())
	default:
		pause := float64(policy.GetInitialInterval().AsDuration()) *
			math.Pow(policy.GetBackoffCoefficient(), float64(a.attempt-1))
		if most := float64(policy.GetMaximumInterval().AsDuration()); most > 0 {
			pause = min(pause, most)
		}
		if next := application.GetNextRetryDelay(); next != nil {
			pause = float64(next.AsDuration())
		}
		a.attempt++
		a.timer = time.AfterFunc(time.Duration(pause), func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if a.wanted() {
				s.offer(a)
			}
		})
	}
}

func (s *Server) endFailed(a *activity, failure *failurepb.Failure, attemptsUsedUp bool) {
	state := enumspb.RETRY_STATE_NON_RETRYABLE_FAILURE
	if attemptsUsedUp {
		state = enumspb.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED
	}
	if failure.GetTimeoutFailureInfo() != nil {
		s.endActivity(a, enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT, func(started int64) *historypb.HistoryEvent {
			return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskTimedOutEventAttributes{
				ActivityTaskTimedOutEventAttributes: &historypb.ActivityTaskTimedOutEventAttributes{
					Failure: failure, ScheduledEventId: a.scheduled, StartedEventId: started, RetryState: state,
				},
			}}
		})
		return
	}
	s.endActivity(a, enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED, func(started int64) *historypb.HistoryEvent {
		return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskFailedEventAttributes{
			ActivityTaskFailedEventAttributes: &historypb.ActivityTaskFailedEventAttributes{
				Failure: failure, ScheduledEventId: a.scheduled, StartedEventId: started, RetryState: state,
			},
		}}
	})
}

// endActivity writes the start of the last attempt and the end of the activity to the history of its run.
func (s *Server) endActivity(a *activity, kind enumspb.EventType, end func(started int64) *historypb.HistoryEvent) {
	a.stop()
	delete(a.run.activities, a.scheduled)
	attempt, lastFailure := a.attempt, a.lastFailure
	s.happens(a.run, "", func() {
		started := a.run.add(enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED, &historypb.HistoryEvent{
			Attributes: &historypb.HistoryEvent_ActivityTaskStartedEventAttributes{
				ActivityTaskStartedEventAttributes: &historypb.ActivityTaskStartedEventAttributes{
					ScheduledEventId: a.scheduled, Identity: a.identity, Attempt: attempt, LastFailure: lastFailure,
				},
			},
		})
		a.run.add(kind, end(started.GetEventId()))
	})
}
