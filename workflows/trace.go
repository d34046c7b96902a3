package workflows

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"minigroups/activities"
	"minigroups/minigroup"
)

// Trace is what the history of a create, an update or a recreate says: what was requested, and which rooms were
// created. It exists as long as Temporal keeps the run, whatever the ledger has lost.
type Trace struct {
	WorkflowID, Run string
	ClassID         uuid.UUID
	// Create is the request of a create. UpdateID and Change are those of an update or a recreate.
	Create   *minigroup.CreateRequest
	UpdateID uuid.UUID
	Change   minigroup.Change

	Started time.Time
	// Open says that the run has not ended, Succeeded that it has achieved its purpose. Begun says that it has recorded a
	// step: before that it depends on nothing that the ledger had. Undoing says that its create is being undone.
	Open, Succeeded, Begun, Undoing bool
	Rooms                           []TracedRoom
}

// TracedRoom is a room whose id a step of the run has returned. A step may return the id of a room that another one has
// created, so a room may be listed twice.
type TracedRoom struct {
	Kind minigroup.RoomKind
	ID   uuid.UUID
}

// IsUpdate reports whether the run is of an update.
func (t Trace) IsUpdate() bool { return t.Create == nil && t.Change.Recreate == nil }

// IsRecreate reports whether the run is of a recreate.
func (t Trace) IsRecreate() bool { return t.Create == nil && t.Change.Recreate != nil }

// traced are the workflows that have traces.
const traced = `WorkflowType IN ("CreateMinigroup", "UpdateMinigroup", "RecreateMinigroup") AND ` +
	`(ExecutionStatus = "Running" OR CloseTime >= "%s")`

// tracePage is how many runs are listed by one request.
const tracePage = 500

// RunsSince lists the creates, updates and recreates that are open or have ended since then.
func RunsSince(
	ctx context.Context, c client.Client, namespace string, since time.Time,
) ([]*workflowpb.WorkflowExecutionInfo, error) {
	var runs []*workflowpb.WorkflowExecutionInfo
	for page := []byte(nil); ; {
		found, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: namespace, PageSize: tracePage, NextPageToken: page,
			Query: fmt.Sprintf(traced, since.UTC().Format(time.RFC3339Nano)),
		})
		if err != nil {
			return nil, fmt.Errorf("list the runs since %s: %w", since.UTC().Format(time.RFC3339), err)
		}
		runs = append(runs, found.GetExecutions()...)
		if page = found.GetNextPageToken(); len(page) == 0 {
			return runs, nil
		}
	}
}

// ReadTrace reads the history of one of these runs. The converter decrypts.
func ReadTrace(
	ctx context.Context, c client.Client, decoder converter.DataConverter, info *workflowpb.WorkflowExecutionInfo,
) (Trace, error) {
	t := Trace{
		WorkflowID: info.GetExecution().GetWorkflowId(), Run: info.GetExecution().GetRunId(),
		Started: info.GetStartTime().AsTime(), Open: isOpen(info.GetStatus()),
		Succeeded: info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED,
	}
	events := c.GetWorkflowHistory(ctx, t.WorkflowID, t.Run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	reader := newTraceReader(&t, decoder, info.GetType().GetName())
	for events.HasNext() {
		event, err := events.Next()
		if err == nil {
			err = reader.add(event)
		}
		if err != nil {
			return t, fmt.Errorf("read the history of run %s of %s: %w", t.Run, t.WorkflowID, err)
		}
	}
	return t, nil
}

// traceReader makes a trace of the events of a run.
type traceReader struct {
	*Trace
	converter.DataConverter
	workflowType string
	scheduled    map[int64]string // the names of the activities, by the event that scheduled them
}

func newTraceReader(t *Trace, decoder converter.DataConverter, workflowType string) traceReader {
	return traceReader{Trace: t, DataConverter: decoder, workflowType: workflowType, scheduled: map[int64]string{}}
}

// add adds what an event says.
func (t traceReader) add(event *historypb.HistoryEvent) error {
	switch event.GetEventType() { //nolint:exhaustive // the others say nothing about rooms
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		return t.addInput(event.GetWorkflowExecutionStartedEventAttributes().GetInput())
	case enumspb.EVENT_TYPE_MARKER_RECORDED:
		marker := event.GetMarkerRecordedEventAttributes()
		var local struct{ ActivityType string }
		if marker.GetMarkerName() != "LocalActivity" {
			return nil
		}
		if err := t.FromPayloads(marker.GetDetails()["data"], &local); err != nil {
			return err
		}
		t.Begun = true
		return t.addResult(local.ActivityType, marker.GetDetails()["result"])
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		t.Begun = true
		t.scheduled[event.GetEventId()] = event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName()
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		done := event.GetActivityTaskCompletedEventAttributes()
		return t.addResult(t.scheduled[done.GetScheduledEventId()], done.GetResult())
	}
	return nil
}

func (t traceReader) addInput(input *commonpb.Payloads) error {
	if t.workflowType == "CreateMinigroup" {
		var in CreateInput
		err := t.FromPayloads(input, &in)
		request := in.Request.Request()
		t.ClassID, t.Create = request.ID, &request
		return err
	}
	var in UpdateInput // the input of a recreate has the same fields
	err := t.FromPayloads(input, &in)
	t.ClassID, t.UpdateID, t.Change = in.ClassID, in.UpdateID, in.Change.Change()
	return err
}

// addResult adds the rooms that a step has returned; a step that failed has no result.
func (t traceReader) addResult(activity string, result *commonpb.Payloads) (err error) {
	if len(result.GetPayloads()) == 0 {
		return nil
	}
	switch activity {
	case "CreateEventRoom", "CreateConferenceRoom":
		kind := map[bool]minigroup.RoomKind{true: minigroup.EventRoom, false: minigroup.ConferenceRoom}
		var room activities.HeldRoom
		err = t.FromPayloads(result, &room)
		t.Rooms = append(t.Rooms, TracedRoom{Kind: kind[activity == "CreateEventRoom"], ID: room.ID})
	case "BeginUndo":
		var begun activities.BegunUndo
		err = t.FromPayloads(result, &begun)
		t.Undoing = true
		t.addUndone(begun.Rooms)
	case "EndUndo":
		var undone activities.Undone
		err = t.FromPayloads(result, &undone)
		t.addUndone(undone.Open)
	}
	return err
}

// addUndone adds rooms that an undo closes: a step that was cancelled has not returned those that it has created.
func (t traceReader) addUndone(rooms []activities.Room) {
	for _, r := range rooms {
		t.Rooms = append(t.Rooms, TracedRoom(r))
	}
}
