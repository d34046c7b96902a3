package workflows

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"minigroups/minigroup"
)

// TestARequestJoinsARunThatHasWrittenNothingYet sends each request while the run of an equal one is open, and the
// ledger does not know of it, or cannot be asked.
func TestARequestJoinsARunThatHasWrittenNothingYet(t *testing.T) {
	for name, r := range requests {
		if name == "create of another draft" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := failedWhileOpen(r)
				w.row.lacks = minigroup.Errorf(minigroup.ClassNotFound, "none")
				time.AfterFunc(3*time.Second, func() {
					w.row.lacks, w.row.before.State, w.row.update = nil, minigroup.Ready, minigroup.UpdateDone
					close(w.temporal.closed)
				})
				_, outcome, err := r.send(t.Context(), w, 15*time.Second)
				if n := w.temporal.started.Load(); err != nil || outcome != minigroup.OutcomeDone || n != 0 {
					t.Errorf("got outcome %d, %v; %d runs were started", outcome, err, n)
				}
			})
		})
		t.Run(name+" without the database", func(t *testing.T) {
			w := failedWhileOpen(r)
			w.row.lacks = errors.New("connection refused")
			_, _, err := r.send(t.Context(), w, time.Second)
			var public *minigroup.Error
			if !errors.As(err, &public) || !strings.HasPrefix(public.Detail, "the database is unavailable") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestARequestWaitsForTheEndOfADecidedRun sends a create while a failed run closes in different ways.
func TestARequestWaitsForTheEndOfADecidedRun(t *testing.T) {
	for name, c := range map[string]struct {
		end    error
		starts int64
		detail string
	}{
		"the run has failed":    {end: &temporal.WorkflowExecutionError{}, starts: 1},
		"Temporal is away":      {end: serviceerror.NewUnavailable("refused"), detail: "Temporal is out of reach"},
		"Temporal has an error": {end: serviceerror.NewInternal("panic"), detail: "Temporal is unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			w := failedWhileOpen(requests["create"])
			w.temporal.end = c.end
			_, _, err := w.starter.Create(t.Context(), w.request, 10*time.Second)
			var public *minigroup.Error
			if c.detail == "" && err != nil ||
				c.detail != "" && (!errors.As(err, &public) || !strings.HasPrefix(public.Detail, c.detail)) {
				t.Errorf("got %v, want %q", err, c.detail)
			}
			if n := w.temporal.started.Load(); n != c.starts {
				t.Errorf("%d runs were started, want %d", n, c.starts)
			}
		})
	}
}

// TestAReadyMinigroupIsChangedWhenItsCreateHasClosed sends an update and a recreate while the run that has created the
// minigroup is open.
func TestAReadyMinigroupIsChangedWhenItsCreateHasClosed(t *testing.T) {
	for _, name := range []string{"update", "recreate"} {
		synctest.Test(t, func(t *testing.T) {
			w := newOpenRunWorld(operationCreate, "")
			time.AfterFunc(3*time.Second, func() { close(w.temporal.closed) })
			began := time.Now()
			_, outcome, err := requests[name].send(t.Context(), w, 15*time.Second)
			if n := w.temporal.started.Load(); err != nil || outcome != minigroup.OutcomeDone || n != 1 ||
				time.Since(began) != 3*time.Second {
				t.Errorf("%s: outcome %d, %v after %s; %d runs were started", name, outcome, err, time.Since(began), n)
			}
		})
	}
}

// closedRuns is a Temporal that starts nothing, because a run is open that has always just ended.
type closedRuns struct {
	client.Client
	starts atomic.Int64
	memo   *commonpb.Memo
	status enumspb.WorkflowExecutionStatus
}

func (f *closedRuns) ExecuteWorkflow(
	context.Context, client.StartWorkflowOptions, any, ...any,
) (client.WorkflowRun, error) {
	f.starts.Add(1)
	return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("running", "", "run-1")
}

func (f *closedRuns) DescribeWorkflowExecution(
	context.Context, string, string,
) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{RunId: "run-1"}, Memo: f.memo, Status: f.status,
	}}, nil
}

func (*closedRuns) CheckHealth(context.Context, *client.CheckHealthRequest) (*client.CheckHealthResponse, error) {
	return &client.CheckHealthResponse{}, nil
}

func TestAStartIsRepeatedAFewTimesWhileOtherRunsEnd(t *testing.T) {
	f := &closedRuns{status: enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED}
	r := minigroup.NewCreateRequest(minigroup.Draft{Audience: "example.org", Scope: "math-7b"})
	store := oneRow{err: minigroup.Errorf(minigroup.ClassNotFound, "none")}
	s := NewStarter(f, store, "queue", time.Hour)
	_, _, err := s.Create(t.Context(), r, time.Second)
	wantInProgress(t, err)
	if n := f.starts.Load(); n != maxStarts {
		t.Errorf("it was tried %d times", n)
	}
	f.status = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	f.memo = &commonpb.Memo{Fields: map[string]*commonpb.Payload{memoUpdate: {Data: []byte("x")}}}
	if _, _, err := s.Create(t.Context(), r, time.Second); err == nil ||
		!strings.Contains(err.Error(), "read memo of minigroup/example.org/math-7b") {
		t.Errorf("a run whose memo cannot be read: %v", err)
	}
}

// TestOnlyTheOpenRunIsCurrent asks for the run that Temporal describes as open, and for others.
func TestOnlyTheOpenRunIsCurrent(t *testing.T) {
	for status, open := range map[enumspb.WorkflowExecutionStatus]bool{
		enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING: true, enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED: true,
		enumspb.WORKFLOW_EXECUTION_STATUS_FAILED: false,
	} {
		s := NewStarter(&closedRuns{status: status}, nil, "queue", time.Hour)
		for run, is := range map[string]bool{"run-1": open, uuid.NewString(): false} {
			if current, err := s.IsCurrent(t.Context(), "id", run); err != nil || current != is {
				t.Errorf("%s while run-1 is %s: %t, %v", run, status, current, err)
			}
		}
	}
	away := NewStarter(describedTemporal{err: errors.New("away")}, nil, "queue", time.Hour)
	if current, err := away.IsCurrent(t.Context(), "id", "run-1"); err == nil || current {
		t.Errorf("without Temporal: %t, %v", current, err)
	}
}
