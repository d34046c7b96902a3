package temporal

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// run is one run of a workflow.
type run struct {
	number         int // runs are numbered in the order of their starts
	workflowID, id string
	status         enumspb.WorkflowExecutionStatus
	input          *workflowservice.StartWorkflowExecutionRequest
	events         []*historypb.HistoryEvent
	memo           *commonpb.Memo
	closed         chan struct{}

	task            *workflowTask       // scheduled or started
	attempt         int32               // of the next workflow task
	previousStarted int64               // the event of the last workflow task that was completed
	activities      map[int64]*activity // by the event that scheduled them
	timers          map[string]*timer
	cancelRequested bool
	// buffered are events that came while a worker had a workflow task. They follow what that task does.
	buffered []buffered
}

// buffered adds events to the history of its run.
type buffered struct {
	add func()
	// timer is the id of the timer that has fired.
	timer string
}

// happens adds events that no workflow task has caused, and makes a worker see them.
func (s *Server) happens(r *run, timer string, add func()) {
	if r.task != nil && r.task.started != 0 {
		r.buffered = append(r.buffered, buffered{add: add, timer: timer})
		return
	}
	add()
	s.scheduleTask(r)
}

// flush adds the events that came during a workflow task.
func (r *run) flush() (some bool) {
	events := r.buffered
	r.buffered = nil
	for _, e := range events {
		e.add()
	}
	return len(events) > 0
}

func (r *run) open() bool { return r.status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING }

func (r *run) execution() *commonpb.WorkflowExecution {
	return &commonpb.WorkflowExecution{WorkflowId: r.workflowID, RunId: r.id}
}

// add appends an event to the history.
func (r *run) add(kind enumspb.EventType, event *historypb.HistoryEvent) *historypb.HistoryEvent {
	event.EventId, event.EventType, event.EventTime = int64(len(r.events)+1), kind, timestamppb.New(time.Now())
	r.events = append(r.events, event)
	return event
}

func (s *Server) start(
	r *workflowservice.StartWorkflowExecutionRequest,
) (*workflowservice.StartWorkflowExecutionResponse, error) {
	if current := s.latest[r.GetWorkflowId()]; current != nil && current.open() {
		if current.input.GetRequestId() == r.GetRequestId() {
			return &workflowservice.StartWorkflowExecutionResponse{RunId: current.id, Started: false}, nil
		}
		switch r.GetWorkflowIdConflictPolicy() {
		case enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING:
			s.end(current, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
				terminated("replaced"))
		default:
			return nil, serviceerror.NewWorkflowExecutionAlreadyStarted(
				"already started", r.GetRequestId(), current.id)
		}
	}
	added := s.newRun(r)
	s.scheduleTask(added)
	return &workflowservice.StartWorkflowExecutionResponse{RunId: added.id, Started: true}, nil
}

// newRun adds an open run with its first event.
func (s *Server) newRun(r *workflowservice.StartWorkflowExecutionRequest) *run {
	added := &run{
		workflowID: r.GetWorkflowId(), id: s.newID(), number: len(s.runs),
		status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, input: r, memo: r.GetMemo(), closed: make(chan struct{}),
		attempt: 1, activities: map[int64]*activity{}, timers: map[string]*timer{},
	}
	added.add(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, &historypb.HistoryEvent{
		Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
			WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{
				WorkflowType: r.GetWorkflowType(), WorkflowId: r.GetWorkflowId(), TaskQueue: r.GetTaskQueue(),
				Input: r.GetInput(), WorkflowTaskTimeout: durationpb.New(workflowTaskTimeout),
				OriginalExecutionRunId: added.id, FirstExecutionRunId: added.id, Attempt: 1,
				Memo: r.GetMemo(), SearchAttributes: r.GetSearchAttributes(), Header: r.GetHeader(),
			},
		},
	})
	s.runs[added.id], s.latest[added.workflowID] = added, added
	return added
}

// end closes a run. What its workers still send is refused.
func (s *Server) end(
	r *run, status enumspb.WorkflowExecutionStatus, kind enumspb.EventType, event *historypb.HistoryEvent,
) {
	r.add(kind, event)
	r.status = status
	for _, a := range r.activities {
		a.stop()
	}
	for _, t := range r.timers {
		t.Stop()
	}
	if r.task != nil {
		r.task.stop()
	}
	r.activities, r.timers, r.task, r.buffered = nil, nil, nil, nil
	close(r.closed)
	if status != enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED {
		s.ended = append(s.ended, r.id)
	}
}

func terminated(reason string) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionTerminatedEventAttributes{
		WorkflowExecutionTerminatedEventAttributes: &historypb.WorkflowExecutionTerminatedEventAttributes{Reason: reason},
	}}
}

func (s *Server) terminate(
	r *workflowservice.TerminateWorkflowExecutionRequest,
) (*workflowservice.TerminateWorkflowExecutionResponse, error) {
	found, err := s.findOpen(r.GetWorkflowExecution())
	if err != nil {
		return nil, err
	}
	s.end(found, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
		terminated(r.GetReason()))
	return &workflowservice.TerminateWorkflowExecutionResponse{}, nil
}

// reset starts a run again from its beginning, whatever event the request names.
func (s *Server) reset(
	r *workflowservice.ResetWorkflowExecutionRequest,
) (*workflowservice.ResetWorkflowExecutionResponse, error) {
	base, err := s.find(r.GetWorkflowExecution())
	if err != nil {
		return nil, err
	}
	if current := s.latest[base.workflowID]; current.open() {
		s.end(current, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
			terminated("reset"))
	}
	added := s.newRun(base.input)
	s.scheduleTask(added)
	return &workflowservice.ResetWorkflowExecutionResponse{RunId: added.id}, nil
}

func (s *Server) requestCancel(
	r *workflowservice.RequestCancelWorkflowExecutionRequest,
) (*workflowservice.RequestCancelWorkflowExecutionResponse, error) {
	found, err := s.findOpen(r.GetWorkflowExecution())
	if err != nil || found.cancelRequested {
		return &workflowservice.RequestCancelWorkflowExecutionResponse{}, err
	}
	found.cancelRequested = true
	s.happens(found, "", func() {
		found.add(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED, &historypb.HistoryEvent{
			Attributes: &historypb.HistoryEvent_WorkflowExecutionCancelRequestedEventAttributes{
				WorkflowExecutionCancelRequestedEventAttributes: &historypb.WorkflowExecutionCancelRequestedEventAttributes{},
			},
		})
	})
	return &workflowservice.RequestCancelWorkflowExecutionResponse{}, nil
}

func (s *Server) describe(
	r *workflowservice.DescribeWorkflowExecutionRequest,
) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	found, err := s.find(r.GetExecution())
	if err != nil {
		return nil, err
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
			Execution: found.execution(), Status: found.status, Memo: found.memo, Type: found.input.GetWorkflowType(),
			HistoryLength: int64(len(found.events)),
		},
	}, nil
}

// longPoll is how long a request for the end of a run waits.
const longPoll = 20 * time.Second

// history returns the history of a run, or its last event when the run has ended.
func (s *Server) history(
	ctx context.Context, r *workflowservice.GetWorkflowExecutionHistoryRequest,
) (*workflowservice.GetWorkflowExecutionHistoryResponse, error) {
	s.mu.Lock()
	found, err := s.find(r.GetExecution())
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	token := []byte(found.id)
	if r.GetWaitNewEvent() {
		wait := time.NewTimer(longPoll)
		defer wait.Stop()
		select {
		case <-found.closed:
		case <-wait.C:
			return &workflowservice.GetWorkflowExecutionHistoryResponse{
				History: &historypb.History{}, NextPageToken: token,
			}, nil
		case <-ctx.Done():
			return nil, serviceerror.FromStatus(serviceerror.ToStatus(ctx.Err()))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	events := found.events
	if r.GetHistoryEventFilterType() == enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT {
		events = events[len(events)-1:]
	}
	return &workflowservice.GetWorkflowExecutionHistoryResponse{History: &historypb.History{Events: events}}, nil
}
