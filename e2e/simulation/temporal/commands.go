package temporal

import (
	"fmt"
	"slices"
	"time"

	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
)

// closes reports whether commands end their run.
func closes(commands []*commandpb.Command) bool {
	return slices.ContainsFunc(commands, func(c *commandpb.Command) bool {
		switch c.GetCommandType() {
		case enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
			enumspb.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION:
			return true
		default:
			return false
		}
	})
}

// carryOut carries out a command of a workflow task.
func (s *Server) carryOut(r *run, c *commandpb.Command, completed int64) error {
	event := &historypb.HistoryEvent{UserMetadata: c.GetUserMetadata()}
	switch a := c.GetAttributes().(type) {
	case *commandpb.Command_CompleteWorkflowExecutionCommandAttributes:
		event.Attributes = &historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes{
			WorkflowExecutionCompletedEventAttributes: &historypb.WorkflowExecutionCompletedEventAttributes{
				Result: a.CompleteWorkflowExecutionCommandAttributes.GetResult(), WorkflowTaskCompletedEventId: completed,
			},
		}
		s.end(r, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, event)
	case *commandpb.Command_FailWorkflowExecutionCommandAttributes:
		event.Attributes = &historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes{
			WorkflowExecutionFailedEventAttributes: &historypb.WorkflowExecutionFailedEventAttributes{
				Failure: a.FailWorkflowExecutionCommandAttributes.GetFailure(), WorkflowTaskCompletedEventId: completed,
			},
		}
		s.end(r, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, event)
	case *commandpb.Command_CancelWorkflowExecutionCommandAttributes:
		event.Attributes = &historypb.HistoryEvent_WorkflowExecutionCanceledEventAttributes{
			WorkflowExecutionCanceledEventAttributes: &historypb.WorkflowExecutionCanceledEventAttributes{
				Details: a.CancelWorkflowExecutionCommandAttributes.GetDetails(), WorkflowTaskCompletedEventId: completed,
			},
		}
		s.end(r, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED, event)
	case *commandpb.Command_RecordMarkerCommandAttributes:
		marker := a.RecordMarkerCommandAttributes
		event.Attributes = &historypb.HistoryEvent_MarkerRecordedEventAttributes{
			MarkerRecordedEventAttributes: &historypb.MarkerRecordedEventAttributes{
				MarkerName: marker.GetMarkerName(), Details: marker.GetDetails(), Header: marker.GetHeader(),
				Failure: marker.GetFailure(), WorkflowTaskCompletedEventId: completed,
			},
		}
		r.add(enumspb.EVENT_TYPE_MARKER_RECORDED, event)
	case *commandpb.Command_UpsertWorkflowSearchAttributesCommandAttributes:
		event.Attributes = &historypb.HistoryEvent_UpsertWorkflowSearchAttributesEventAttributes{
			UpsertWorkflowSearchAttributesEventAttributes: &historypb.UpsertWorkflowSearchAttributesEventAttributes{
				WorkflowTaskCompletedEventId: completed,
				SearchAttributes:             a.UpsertWorkflowSearchAttributesCommandAttributes.GetSearchAttributes(),
			},
		}
		r.add(enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, event)
	case *commandpb.Command_ScheduleActivityTaskCommandAttributes:
		s.scheduleActivity(r, a.ScheduleActivityTaskCommandAttributes, event, completed)
	case *commandpb.Command_RequestCancelActivityTaskCommandAttributes:
		s.requestCancelActivity(r, a.RequestCancelActivityTaskCommandAttributes.GetScheduledEventId(), completed)
	case *commandpb.Command_StartTimerCommandAttributes:
		s.startTimer(r, a.StartTimerCommandAttributes, event, completed)
	case *commandpb.Command_CancelTimerCommandAttributes:
		s.cancelTimer(r, a.CancelTimerCommandAttributes.GetTimerId(), completed)
	default:
		return serviceerror.NewUnimplemented(fmt.Sprintf("command %s", c.GetCommandType()))
	}
	return nil
}

// timer is a timer of a run.
type timer struct {
	*time.Timer
	started int64
}

func (s *Server) startTimer(
	r *run, a *commandpb.StartTimerCommandAttributes, event *historypb.HistoryEvent, completed int64,
) {
	event.Attributes = &historypb.HistoryEvent_TimerStartedEventAttributes{
		TimerStartedEventAttributes: &historypb.TimerStartedEventAttributes{
			TimerId: a.GetTimerId(), StartToFireTimeout: a.GetStartToFireTimeout(), WorkflowTaskCompletedEventId: completed,
		},
	}
	started := &timer{started: r.add(enumspb.EVENT_TYPE_TIMER_STARTED, event).GetEventId()}
	r.timers[a.GetTimerId()] = started
	started.Timer = time.AfterFunc(a.GetStartToFireTimeout().AsDuration(), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.timers[a.GetTimerId()] != started {
			return
		}
		s.happens(r, a.GetTimerId(), func() {
			delete(r.timers, a.GetTimerId())
			r.add(enumspb.EVENT_TYPE_TIMER_FIRED, &historypb.HistoryEvent{
				Attributes: &historypb.HistoryEvent_TimerFiredEventAttributes{
					TimerFiredEventAttributes: &historypb.TimerFiredEventAttributes{
						TimerId: a.GetTimerId(), StartedEventId: started.started,
					},
				},
			})
		})
	})
}

func (s *Server) cancelTimer(r *run, id string, completed int64) {
	t := r.timers[id]
	if t == nil {
		return
	}
	t.Stop()
	delete(r.timers, id)
	r.buffered = slices.DeleteFunc(r.buffered, func(b buffered) bool { return b.timer == id })
	r.add(enumspb.EVENT_TYPE_TIMER_CANCELED, &historypb.HistoryEvent{
		Attributes: &historypb.HistoryEvent_TimerCanceledEventAttributes{
			TimerCanceledEventAttributes: &historypb.TimerCanceledEventAttributes{
				TimerId: id, StartedEventId: t.started, WorkflowTaskCompletedEventId: completed,
			},
		},
	})
}
