package workflows

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
)

// startedRuns is a Temporal that records the runs that are started, or answers with an error.
type startedRuns struct {
	client.Client
	err     error
	options []client.StartWorkflowOptions
	// workflow is the name of the last one, input its input.
	workflow string
	input    any
}

func (f *startedRuns) ExecuteWorkflow(
	_ context.Context, o client.StartWorkflowOptions, workflow any, args ...any,
) (client.WorkflowRun, error) {
	if f.err != nil {
		return nil, f.err
	}
	f.options = append(f.options, o)
	f.workflow, f.input = stepName(workflow), args[0]
	return endedRun{}, nil
}

// last returns the options of the last run.
func (f *startedRuns) last() client.StartWorkflowOptions { return f.options[len(f.options)-1] }

func TestARunIsOpenIfTemporalSaysSo(t *testing.T) {
	status := func(s enumspb.WorkflowExecutionStatus) describedTemporal {
		return describedTemporal{described: &workflowservice.DescribeWorkflowExecutionResponse{
			WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Status: s},
		}}
	}
	for name, c := range map[string]struct {
		temporal describedTemporal
		open     bool
		fails    string
	}{
		"running":    {temporal: status(enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING), open: true},
		"paused":     {temporal: status(enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED), open: true},
		"terminated": {temporal: status(enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED)},
		"unknown":    {temporal: describedTemporal{err: serviceerror.NewNotFound("none")}},
		"away":       {temporal: describedTemporal{err: errors.New("away")}, fails: "describe run run-1: away"},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewStarter(c.temporal, nil, "queue", time.Hour)
			open, err := s.IsOpen(t.Context(), minigroup.OpenSaga{Audience: "example.org", Scope: "math-7b", Run: "run-1"})
			if open != c.open || (err == nil) != (c.fails == "") || err != nil && err.Error() != c.fails {
				t.Errorf("got %t, %v", open, err)
			}
		})
	}
}

func TestRecoveriesStartTheRunThatTheSagaNeeds(t *testing.T) {
	id, class := uuid.New(), uuid.New()
	change := minigroup.Change{Host: new("a.b.c")}
	recreate := minigroup.Change{Recreate: &minigroup.Recreation{}}
	update := func(c minigroup.Change) UpdateInput {
		return UpdateInput{UpdateID: id, ClassID: class, Change: stored.NewChange(c), MaxAttempts: attemptsWithin(time.Hour)}
	}
	for name, c := range map[string]struct {
		update         uuid.UUID
		change         minigroup.Change
		workflow       string
		input          any
		stage, summary string
	}{
		"a create": {
			workflow: "undo_minigroup", input: UndoInput{ClassID: class}, stage: "undoing",
			summary: "Undo math-7b for example.org",
		},
		"an update": {
			update: id, change: change, workflow: "update_minigroup", input: update(change), stage: "updating",
			summary: "Update math-7b for example.org",
		},
		"a repair": {
			update: id, change: minigroup.Change{Host: change.Host, Repair: true}, workflow: "update_minigroup",
			input: update(minigroup.Change{Host: change.Host, Repair: true}), stage: "updating",
			summary: "Repair math-7b for example.org",
		},
		"a recreate": {
			update: id, change: recreate, workflow: "recreate_minigroup",
			input: RecreateInput{UpdateInput: update(recreate), Abandoned: true}, stage: "undoing",
			summary: "End the recreate of math-7b for example.org",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := &startedRuns{}
			s := NewStarter(f, nil, "queue", time.Hour)
			saga := minigroup.OpenSaga{
				ClassID: class, Audience: "example.org", Scope: "math-7b", UpdateID: c.update, Change: c.change,
			}
			if started, err := s.Recover(t.Context(), saga); err != nil || !started {
				t.Fatalf("started: %t, %v", started, err)
			}
			if f.workflow != c.workflow || !reflect.DeepEqual(f.input, c.input) {
				t.Errorf("it has started %s with %+v", f.workflow, f.input)
			}
			o := f.last()
			stage, _ := o.TypedSearchAttributes.GetKeyword(AttributeStage)
			if o.ID != WorkflowID("example.org", "math-7b") || stage != c.stage || o.StaticSummary != c.summary ||
				o.WorkflowIDConflictPolicy != enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL {
				t.Errorf("its stage is %q, the options are %+v", stage, o)
			}
			for result, err := range map[string]error{
				"another run is open": serviceerror.NewWorkflowExecutionAlreadyStarted("running", "", "run-1"),
				"away":                errors.New("away"),
			} {
				f.err = err
				started, err := s.Recover(t.Context(), saga)
				if started || (err == nil) != (result != "away") {
					t.Errorf("%s: started is %t, %v", result, started, err)
				}
			}
		})
	}
}

func TestARoomIsClosedByARunOfItsOwn(t *testing.T) {
	f := &startedRuns{}
	s := NewStarter(f, nil, "queue", time.Hour)
	room := minigroup.RoomPendingClose{Kind: minigroup.EventRoom, ID: uuid.New(), ClassID: uuid.New()}
	if err := s.CloseRoom(t.Context(), room); err != nil {
		t.Fatal(err)
	}
	o := f.last()
	class, _ := o.TypedSearchAttributes.GetKeyword(AttributeID)
	if f.workflow != "close_room" || f.input != (activities.Room{Kind: minigroup.EventRoom, ID: room.ID}) ||
		o.ID != "room/event/"+room.ID.String() || class != room.ClassID.String() {
		t.Errorf("it has started %s with %+v: %+v", f.workflow, f.input, o)
	}
	f.err = serviceerror.NewWorkflowExecutionAlreadyStarted("running", "", "run-1")
	if err := s.CloseRoom(t.Context(), room); err != nil {
		t.Errorf("while one is open: %v", err)
	}
	f.err = errors.New("away")
	if err := s.CloseRoom(t.Context(), room); err == nil {
		t.Error("it has started a run although Temporal is away")
	}
}

// TestWhatTheLedgerHasForgottenIsRepeated starts a create, an update and a recreate again.
func TestWhatTheLedgerHasForgottenIsRepeated(t *testing.T) {
	r := minigroup.NewCreateRequest(minigroup.Draft{Audience: "example.org", Scope: "math-7b"})
	m, id := minigroup.Minigroup{Draft: r.Draft, ID: r.ID}, uuid.New()
	f := &startedRuns{}
	s := NewStarter(f, nil, "queue", time.Hour)
	repeat := func(c minigroup.Change) func(bool) (bool, error) {
		c.Revision = new(int64(7))
		return func(replace bool) (bool, error) { return s.RepeatChange(t.Context(), m, id, c, replace) }
	}
	for workflow, do := range map[string]func(replace bool) (bool, error){
		"create_minigroup":   func(replace bool) (bool, error) { return s.RepeatCreate(t.Context(), r, replace) },
		"update_minigroup":   repeat(minigroup.Change{Host: new("a.b.c")}),
		"recreate_minigroup": repeat(minigroup.Change{Recreate: &minigroup.Recreation{}}),
	} {
		for replace, policy := range map[bool]enumspb.WorkflowIdConflictPolicy{
			false: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, true: enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING,
		} {
			if started, err := do(replace); err != nil || !started {
				t.Fatalf("%s: started is %t, %v", workflow, started, err)
			}
			if f.workflow != workflow || f.last().WorkflowIDConflictPolicy != policy {
				t.Errorf("%s: it has started %s with %+v", workflow, f.workflow, f.last())
			}
			var in UpdateInput
			switch input := f.input.(type) {
			case UpdateInput:
				in = input
			case RecreateInput:
				in = input.UpdateInput
			default:
				continue
			}
			if in.UpdateID != id || in.ClassID != m.ID || in.Change.Change().Revision != nil ||
				!strings.HasSuffix(f.last().StaticSummary, "math-7b for example.org") {
				t.Errorf("%s: it has the input %+v", workflow, in)
			}
		}
	}
}
