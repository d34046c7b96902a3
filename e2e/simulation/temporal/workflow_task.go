package temporal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
)

// workflowTaskTimeout is how long a worker may take to answer a workflow task.
const workflowTaskTimeout = 10 * time.Second

// workflowTask is a workflow task that is scheduled or started.
type workflowTask struct {
	run                *run
	scheduled, started int64 // events
	attempt            int32
	expires            *time.Timer
	identity           string // of the worker that has started it
}

func (t *workflowTask) stop() {
	if t.expires != nil {
		t.expires.Stop()
	}
}

const workflowKind = "workflow"

func (t *workflowTask) kind() string   { return workflowKind }
func (t *workflowTask) wanted() bool   { return t.run.task == t && t.started == 0 }
func (t *workflowTask) String() string { return t.run.workflowID }

func (t *workflowTask) token() []byte { return fmt.Appendf(nil, "%s %d", t.run.id, t.started) }

// scheduleTask makes a worker see the new events of a run.
func (s *Server) scheduleTask(r *run) {
	if r.task != nil {
		return
	}
	scheduled := r.add(enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, &historypb.HistoryEvent{
		Attributes: &historypb.HistoryEvent_WorkflowTaskScheduledEventAttributes{
			WorkflowTaskScheduledEventAttributes: &historypb.WorkflowTaskScheduledEventAttributes{
				TaskQueue: r.input.GetTaskQueue(), Attempt: r.attempt,
			},
		},
	})
	r.task = &workflowTask{run: r, scheduled: scheduled.GetEventId(), attempt: r.attempt}
	s.offer(r.task)
}

func (s *Server) pollWorkflowTask(
	ctx context.Context, r *workflowservice.PollWorkflowTaskQueueRequest,
) *workflowservice.PollWorkflowTaskQueueResponse {
	for {
		got, ok := s.take(ctx, r.GetIdentity(), workflowKind)
		if !ok {
			return &workflowservice.PollWorkflowTaskQueueResponse{}
		}
		s.mu.Lock()
		answer := s.startTask(got.(*workflowTask), r.GetIdentity())
		s.mu.Unlock()
		if answer != nil {
			return answer
		}
	}
}

// startTask hands a task to a worker; it returns nil if the task is not wanted any more.
func (s *Server) startTask(task *workflowTask, identity string) *workflowservice.PollWorkflowTaskQueueResponse {
	r := task.run
	if !task.wanted() {
		return nil
	}
	task.stop()
	task.identity = identity
	task.started = r.add(enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED, &historypb.HistoryEvent{
		Attributes: &historypb.HistoryEvent_WorkflowTaskStartedEventAttributes{
			WorkflowTaskStartedEventAttributes: &historypb.WorkflowTaskStartedEventAttributes{
				ScheduledEventId: task.scheduled, Identity: identity,
			},
		},
	}).GetEventId()
	task.expires = time.AfterFunc(workflowTaskTimeout, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.task != task {
			return
		}
		r.add(enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT, &historypb.HistoryEvent{
			Attributes: &historypb.HistoryEvent_WorkflowTaskTimedOutEventAttributes{
				WorkflowTaskTimedOutEventAttributes: &historypb.WorkflowTaskTimedOutEventAttributes{
					ScheduledEventId: task.scheduled, StartedEventId: task.started,
					TimeoutType: enumspb.TIMEOUT_TYPE_START_TO_CLOSE,
				},
			},
		})
		s.repeatTask(r)
	})
	return &workflowservice.PollWorkflowTaskQueueResponse{
		TaskToken: task.token(), WorkflowExecution: r.execution(), WorkflowType: r.input.GetWorkflowType(),
		PreviousStartedEventId: r.previousStarted, StartedEventId: task.started, Attempt: task.attempt,
		History: &historypb.History{Events: slices.Clone(r.events)}, WorkflowExecutionTaskQueue: r.input.GetTaskQueue(),
		ScheduledTime: timestamppb.New(time.Now()), StartedTime: timestamppb.New(time.Now()),
	}
}

// repeatTask schedules another task in place of one that was lost or has failed, for any worker.
func (s *Server) repeatTask(r *run) {
	r.task.stop()
	r.task = nil
	r.attempt++
	r.flush()
	s.scheduleTask(r)
}

// startedTask returns the task that a worker answers.
func (s *Server) startedTask(token []byte) (*workflowTask, error) {
	var id string
	var started int64
	if _, err := fmt.Sscan(string(token), &id, &started); err != nil {
		return nil, serviceerror.NewInvalidArgument(err.Error())
	}
	r := s.runs[id]
	if r == nil || r.task == nil || r.task.started != started {
		return nil, serviceerror.NewNotFound("workflow task not found")
	}
	return r.task, nil
}

// failTask writes the failure of a task to the history of its run, and repeats it.
func (s *Server) failTask(task *workflowTask, cause enumspb.WorkflowTaskFailedCause, failure *failurepb.Failure) {
	task.run.add(enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED, &historypb.HistoryEvent{
		Attributes: &historypb.HistoryEvent_WorkflowTaskFailedEventAttributes{
			WorkflowTaskFailedEventAttributes: &historypb.WorkflowTaskFailedEventAttributes{
				ScheduledEventId: task.scheduled, StartedEventId: task.started, Cause: cause, Failure: failure,
			},
		},
	})
	s.repeatTask(task.run)
}

func (s *Server) failWorkflowTask(
	r *workflowservice.RespondWorkflowTaskFailedRequest,
) (*workflowservice.RespondWorkflowTaskFailedResponse, error) {
	task, err := s.startedTask(r.GetTaskToken())
	if err != nil {
		return nil, err
	}
	s.failTask(task, r.GetCause(), r.GetFailure())
	return &workflowservice.RespondWorkflowTaskFailedResponse{}, nil
}

func (s *Server) completeWorkflowTask(
	r *workflowservice.RespondWorkflowTaskCompletedRequest,
) (*workflowservice.RespondWorkflowTaskCompletedResponse, error) {
	task, err := s.startedTask(r.GetTaskToken())
	if err != nil {
		return nil, err
	}
	owner := task.run
	if len(owner.buffered) > 0 && closes(r.GetCommands()) {
		// The run may not end before the worker has seen the newest events.
		s.failTask(task, enumspb.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND, nil)
		return nil, serviceerror.NewInvalidArgument("UnhandledCommand")
	}
	task.stop()
	completed := owner.add(enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, &historypb.HistoryEvent{
		Attributes: &historypb.HistoryEvent_WorkflowTaskCompletedEventAttributes{
			WorkflowTaskCompletedEventAttributes: &historypb.WorkflowTaskCompletedEventAttributes{
				ScheduledEventId: task.scheduled, StartedEventId: task.started, Identity: r.GetIdentity(),
				SdkMetadata: r.GetSdkMetadata(), MeteringMetadata: r.GetMeteringMetadata(),
			},
		},
	}).GetEventId()
	owner.attempt, owner.previousStarted = 1, task.started
	for _, c := range r.GetCommands() {
		if err := s.carryOut(owner, c, completed); err != nil {
			return nil, err
		}
	}
	answer := &workflowservice.RespondWorkflowTaskCompletedResponse{}
	if !owner.open() {
		return answer, nil
	}
	owner.task = nil
	wanted := owner.flush()
	switch {
	case r.GetForceCreateNewWorkflowTask() && r.GetReturnNewWorkflowTask():
		s.scheduleTask(owner)
		next := owner.task
		s.withdraw(next)
		next.stop()
		answer.WorkflowTask = s.startTask(next, r.GetIdentity())
	case wanted || r.GetForceCreateNewWorkflowTask():
		s.scheduleTask(owner)
	}
	return answer, nil
}
