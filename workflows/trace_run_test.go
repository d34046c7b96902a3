package workflows

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"minigroups/activities"
	"minigroups/minigroup"
)

// pagedRuns is a Temporal that lists one run on each page.
type pagedRuns struct {
	client.Client
	runs    []*workflowpb.WorkflowExecutionInfo
	err     error
	queries []string
}

func (p *pagedRuns) ListWorkflow(
	_ context.Context, r *workflowservice.ListWorkflowExecutionsRequest,
) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	if p.err != nil {
		return nil, p.err
	}
	n := len(r.GetNextPageToken())
	p.queries = append(p.queries, r.GetNamespace()+": "+r.GetQuery())
	page := &workflowservice.ListWorkflowExecutionsResponse{Executions: p.runs[n : n+1]}
	if n+1 < len(p.runs) {
		page.NextPageToken = make([]byte, n+1)
	}
	return page, nil
}

func TestRunsAreListedPageByPage(t *testing.T) {
	since := time.Date(2026, 11, 23, 10, 2, 3, 0, time.UTC)
	p := &pagedRuns{runs: []*workflowpb.WorkflowExecutionInfo{{TaskQueue: "1"}, {TaskQueue: "2"}, {TaskQueue: "3"}}}
	runs, err := RunsSince(t.Context(), p, "default", since)
	if err != nil || len(runs) != 3 || runs[0].GetTaskQueue() != "1" || runs[2].GetTaskQueue() != "3" {
		t.Fatalf("got %v, %v", runs, err)
	}
	if !strings.HasPrefix(p.queries[0], "default: WorkflowType IN") ||
		!strings.Contains(p.queries[0], `CloseTime >= "2026-11-23T10:02:03Z"`) {
		t.Errorf("the query is %s", p.queries[0])
	}
	p.err = errors.New("away")
	if _, err := RunsSince(t.Context(), p, "default", since); !errors.Is(err, p.err) {
		t.Errorf("without Temporal: %v", err)
	}
}

// brokenEvents is a history that cannot be read.
type brokenEvents struct{}

func (brokenEvents) HasNext() bool                          { return true }
func (brokenEvents) Next() (*historypb.HistoryEvent, error) { return nil, errors.New("away") }

// historyOf is a Temporal with the history of one run; nil cannot be read.
type historyOf struct {
	client.Client
	events []*historypb.HistoryEvent
}

func (h historyOf) GetWorkflowHistory(
	context.Context, string, string, bool, enumspb.HistoryEventFilterType,
) client.HistoryEventIterator {
	if h.events == nil {
		return brokenEvents{}
	}
	return &someEvents{h.events}
}

func payloads(t *testing.T, value any) *commonpb.Payloads {
	t.Helper()
	p, err := converter.GetDefaultDataConverter().ToPayloads(value)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// started is the first event of a history.
func started(input *commonpb.Payloads) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{
		EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
		Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
			WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{Input: input},
		},
	}
}

// marker is the event of a local activity, or of something else.
func marker(name string, details map[string]*commonpb.Payloads) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{
		EventType: enumspb.EVENT_TYPE_MARKER_RECORDED,
		Attributes: &historypb.HistoryEvent_MarkerRecordedEventAttributes{
			MarkerRecordedEventAttributes: &historypb.MarkerRecordedEventAttributes{MarkerName: name, Details: details},
		},
	}
}

func TestATraceSaysHowFarARunHasCome(t *testing.T) {
	id, class := uuid.New(), uuid.New()
	input := payloads(t, UpdateInput{UpdateID: id, ClassID: class})
	local := func(data any) map[string]*commonpb.Payloads {
		return map[string]*commonpb.Payloads{"data": payloads(t, data)}
	}
	step := marker("LocalActivity", local(struct{ ActivityType string }{"BeginUpdate"}))
	for name, c := range map[string]struct {
		status    enumspb.WorkflowExecutionStatus
		events    []*historypb.HistoryEvent
		open      bool
		succeeded bool
		begun     bool
		fails     bool
	}{
		"started": {
			status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, events: []*historypb.HistoryEvent{started(input)}, open: true,
		},
		"begun": {
			status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, events: []*historypb.HistoryEvent{started(input), step},
			open: true, begun: true,
		},
		"with a marker of something else": {
			status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, open: true,
			events: []*historypb.HistoryEvent{started(input), marker("Version", local("x"))},
		},
		"done": {
			status: enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, events: []*historypb.HistoryEvent{started(input), step},
			succeeded: true, begun: true,
		},
		"failed": {
			status: enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, events: []*historypb.HistoryEvent{started(input)},
		},
		"with a step that cannot be decoded": {
			events: []*historypb.HistoryEvent{started(input), marker("LocalActivity", local("x"))}, fails: true,
		},
		"with an input that cannot be decoded": {
			events: []*historypb.HistoryEvent{started(payloads(t, "x"))}, fails: true,
		},
		"that cannot be read": {fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			trace, err := ReadTrace(t.Context(), historyOf{events: c.events}, converter.GetDefaultDataConverter(),
				&workflowpb.WorkflowExecutionInfo{
					Execution: &commonpb.WorkflowExecution{WorkflowId: "minigroup/example.org/math-7b", RunId: "run-1"},
					Type:      &commonpb.WorkflowType{Name: "UpdateMinigroup"}, Status: c.status,
					StartTime: timestamppb.New(time.Unix(100, 0)),
				})
			if c.fails {
				if err == nil || !strings.Contains(err.Error(), "history of run run-1 of minigroup/example.org/math-7b") {
					t.Errorf("got %+v, %v", trace, err)
				}
				return
			}
			if err != nil || trace.UpdateID != id || trace.ClassID != class || trace.Started.Unix() != 100 {
				t.Fatalf("got %+v, %v", trace, err)
			}
			if trace.Open != c.open || trace.Succeeded != c.succeeded || trace.Begun != c.begun || trace.Undoing {
				t.Errorf("got %+v", trace)
			}
		})
	}
}

func TestATraceHasTheRoomsThatItsStepsHaveReturned(t *testing.T) {
	for step, kind := range map[string]minigroup.RoomKind{
		"CreateEventRoom": minigroup.EventRoom, "CreateConferenceRoom": minigroup.ConferenceRoom,
	} {
		var trace Trace
		room := uuid.New()
		reader := newTraceReader(&trace, converter.GetDefaultDataConverter(), "CreateMinigroup")
		if err := reader.addResult(step, payloads(t, activities.HeldRoom{ID: room})); err != nil {
			t.Fatal(err)
		}
		if len(trace.Rooms) != 1 || trace.Rooms[0] != (TracedRoom{Kind: kind, ID: room}) {
			t.Errorf("%s: got %+v", step, trace.Rooms)
		}
	}
}

func TestATraceIsOfOneOperation(t *testing.T) {
	create := Trace{Create: &minigroup.CreateRequest{}}
	recreate := Trace{Change: minigroup.Change{Recreate: &minigroup.Recreation{}}}
	both := recreate
	both.Create = create.Create
	for name, c := range map[string]struct {
		trace            Trace
		update, recreate bool
	}{
		"a create":                            {trace: create},
		"an update":                           {update: true},
		"a recreate":                          {trace: recreate, recreate: true},
		"a create that is told of a recreate": {trace: both},
	} {
		if c.trace.IsUpdate() != c.update || c.trace.IsRecreate() != c.recreate {
			t.Errorf("%s is an update: %t, a recreate: %t", name, c.trace.IsUpdate(), c.trace.IsRecreate())
		}
	}
}
