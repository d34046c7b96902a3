package workflows

import (
	"context"
	"errors"
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
	"go.temporal.io/sdk/converter"

	"minigroups/minigroup"
)

// openRunTemporal has the open run run-1, which closes when a test says so. Runs that are started after it succeed at
// once.
type openRunTemporal struct {
	client.Client
	memo    map[string]any
	closed  chan struct{}
	started atomic.Int64
	// end is how the run ends when somebody waits for it; nil: successfully, and when a test says so.
	end error
}

func (f *openRunTemporal) isClosed() bool {
	select {
	case <-f.closed:
		return true
	default:
		return false
	}
}

func (f *openRunTemporal) ExecuteWorkflow(
	context.Context, client.StartWorkflowOptions, any, ...any,
) (client.WorkflowRun, error) {
	if !f.isClosed() {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("running", "", "run-1")
	}
	f.started.Add(1)
	return namedRun{id: "run-2", closed: f.closed}, nil
}

func (f *openRunTemporal) DescribeWorkflowExecution(
	context.Context, string, string,
) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	memo := map[string]*commonpb.Payload{}
	for key, value := range f.memo {
		payload, err := converter.GetDefaultDataConverter().ToPayload(value)
		if err != nil {
			return nil, err
		}
		memo[key] = payload
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{RunId: "run-1"}, Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		Memo: &commonpb.Memo{Fields: memo},
	}}, nil
}

func (f *openRunTemporal) GetWorkflow(context.Context, string, string) client.WorkflowRun {
	if f.end != nil {
		return endingRun{namedRun{id: "run-1", closed: f.closed}, f}
	}
	return namedRun{id: "run-1", closed: f.closed}
}

func (*openRunTemporal) CheckHealth(
	context.Context, *client.CheckHealthRequest,
) (*client.CheckHealthResponse, error) {
	return &client.CheckHealthResponse{}, nil
}

type namedRun struct {
	client.WorkflowRun
	id     string
	closed chan struct{}
}

func (namedRun) GetID() string      { return "minigroup/example.org/math-7b" }
func (r namedRun) GetRunID() string { return r.id }
func (r namedRun) Get(ctx context.Context, _ any) error {
	select {
	case <-r.closed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// endingRun is a run that ends as its Temporal says, when somebody waits for it.
type endingRun struct {
	namedRun
	temporal *openRunTemporal
}

func (r endingRun) Get(context.Context, any) error {
	if !r.temporal.isClosed() {
		close(r.closed)
	}
	return r.temporal.end
}

// rowOfOpenRun is a Store with the row of one minigroup: before, and after another run was started.
type rowOfOpenRun struct {
	Store
	temporal *openRunTemporal
	before   minigroup.Minigroup
	after    minigroup.Minigroup
	// update is the state of the update of run-1.
	update minigroup.UpdateState
	// lacks is returned instead of what run-1 writes; nil: it has written it.
	lacks error
}

func (s rowOfOpenRun) ByID(context.Context, uuid.UUID) (minigroup.Minigroup, error) {
	if s.temporal.started.Load() > 0 {
		return s.after, nil
	}
	if s.lacks != nil && s.temporal.memo[memoUpdate] == nil {
		return minigroup.Minigroup{}, s.lacks
	}
	return s.before, nil
}

func (s rowOfOpenRun) Read(ctx context.Context, key minigroup.Key) (minigroup.Minigroup, error) {
	return s.ByID(ctx, key.ID)
}

func (s rowOfOpenRun) UpdateRecord(_ context.Context, id uuid.UUID) (minigroup.UpdateRecord, error) {
	if id != s.temporal.memo[memoUpdate] {
		return minigroup.UpdateRecord{Update: minigroup.Update{State: minigroup.UpdateDone}}, nil
	}
	return minigroup.UpdateRecord{Update: minigroup.Update{State: s.update, Failure: &oldFailure}}, s.lacks
}

func (rowOfOpenRun) AcceptCreate(context.Context, minigroup.Claim, minigroup.CreateRequest) error {
	return nil
}

func (rowOfOpenRun) AcceptUpdate(
	context.Context, minigroup.Claim, uuid.UUID, uuid.UUID, minigroup.Change,
) error {
	return nil
}

var oldFailure = minigroup.Failure{Kind: minigroup.UpstreamRefused, Detail: "the failure of run-1"}

// openRunWorld is a Starter whose Temporal has an open run.
type openRunWorld struct {
	starter  *Starter
	temporal *openRunTemporal
	row      *rowOfOpenRun
	request  minigroup.CreateRequest
}

func newOpenRunWorld(operation, fingerprint string) openRunWorld {
	r := minigroup.NewCreateRequest(minigroup.Draft{Audience: "example.org", Scope: "math-7b"})
	f := &openRunTemporal{closed: make(chan struct{}), memo: map[string]any{
		memoOperation: operation, memoFingerprint: fingerprint,
	}}
	ready := minigroup.Minigroup{Draft: r.Draft, ID: r.ID, State: minigroup.Ready, Fingerprint: r.Fingerprint}
	row := &rowOfOpenRun{temporal: f, before: ready, after: ready}
	return openRunWorld{starter: NewStarter(f, row, "queue", time.Hour), temporal: f, row: row, request: r}
}

// setCreating and setFailed set the row to the create of run-1.
func (w openRunWorld) setCreating() {
	w.row.before.State, w.row.before.Run = minigroup.Creating, "run-1"
}
func (w openRunWorld) setFailed() {
	w.row.before.State, w.row.before.Run, w.row.before.Failure = minigroup.Failed, "run-1", &oldFailure
}

// request is one of the requests that start runs.
type request struct {
	operation   string
	fingerprint func(openRunWorld) string
	send        func(context.Context, openRunWorld, time.Duration) (minigroup.Minigroup, minigroup.Outcome, error)
}

var (
	otherHost = minigroup.Change{Host: new("a.b.example.org")}
	newRooms  = minigroup.Change{Recreate: &minigroup.Recreation{}}
)

func updateRequest(operation string, change minigroup.Change) request {
	return request{
		operation:   operation,
		fingerprint: func(openRunWorld) string { return change.Fingerprint() },
		send: func(
			ctx context.Context, w openRunWorld, wait time.Duration,
		) (minigroup.Minigroup, minigroup.Outcome, error) {
			return w.starter.Update(ctx, w.row.before, change, wait)
		},
	}
}

func equalDraft(w openRunWorld) string { return w.request.Fingerprint }

var requests = map[string]request{
	"create": {
		operation: operationCreate, fingerprint: equalDraft,
		send: func(
			ctx context.Context, w openRunWorld, wait time.Duration,
		) (minigroup.Minigroup, minigroup.Outcome, error) {
			return w.starter.Create(ctx, w.request, wait)
		},
	},
	"create of another draft": {
		operation: operationCreate, fingerprint: func(openRunWorld) string { return "another" },
		send: func(
			ctx context.Context, w openRunWorld, wait time.Duration,
		) (minigroup.Minigroup, minigroup.Outcome, error) {
			return w.starter.Create(ctx, w.request, wait)
		},
	},
	"retry": {
		operation: operationCreate, fingerprint: equalDraft,
		send: func(
			ctx context.Context, w openRunWorld, wait time.Duration,
		) (minigroup.Minigroup, minigroup.Outcome, error) {
			return w.starter.Retry(ctx, w.row.before, minigroup.Requester{}, wait)
		},
	},
	"update":   updateRequest(operationUpdate, otherHost),
	"recreate": updateRequest(operationRecreate, newRooms),
}

// failedWhileOpen returns a world where the row says that the operation of a request has failed, and its run is open.
func failedWhileOpen(r request) openRunWorld {
	w := newOpenRunWorld(r.operation, "")
	w.temporal.memo[memoFingerprint] = r.fingerprint(w)
	if r.operation == operationCreate {
		w.setFailed()
	} else {
		w.temporal.memo[memoUpdate], w.row.update = uuid.New(), minigroup.UpdateFailed
	}
	return w
}

// TestARequestDoesNotReceiveTheFailureOfARunThatHasNotClosed sends each request while the row says that the operation
// has failed, and its run is still open.
func TestARequestDoesNotReceiveTheFailureOfARunThatHasNotClosed(t *testing.T) {
	for name, r := range requests {
		t.Run(name+" starts a run when the failed one has closed", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := failedWhileOpen(r)
				time.AfterFunc(3*time.Second, func() { close(w.temporal.closed) })
				began := time.Now()
				m, outcome, err := r.send(t.Context(), w, 15*time.Second)
				if err != nil || outcome != minigroup.OutcomeDone || m.State != minigroup.Ready {
					t.Errorf("got %+v, outcome %d, %v", m, outcome, err)
				}
				if n, took := w.temporal.started.Load(), time.Since(began); n != 1 || took != 3*time.Second {
					t.Errorf("%d runs were started within %s", n, took)
				}
			})
		})
		t.Run(name+" is refused as transient if the failed run does not close", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := failedWhileOpen(r)
				began := time.Now()
				_, _, err := r.send(t.Context(), w, 10*time.Second)
				wantInProgress(t, err)
				if took := time.Since(began); took != 10*time.Second {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

func wantInProgress(t *testing.T, err error) {
	t.Helper()
	var public *minigroup.Error
	if !errors.As(err, &public) || public.Kind != minigroup.OperationInProgress || public.RetryAfter == 0 {
		t.Errorf("got %v, want %s with a time to wait", err, minigroup.OperationInProgress)
	}
}

// TestARequestThatMeetsAnotherOperationIsTransient sends requests while a run of another request is open and undecided.
func TestARequestThatMeetsAnotherOperationIsTransient(t *testing.T) {
	for name, r := range requests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, operation := range []string{operationCreate, operationUpdate, operationRecreate, operationUndo} {
					w := newOpenRunWorld(operation, "another request")
					switch operation {
					case operationCreate, operationUndo:
						if r.operation != operationCreate {
							continue // a minigroup that is ready has no such run that is undecided
						}
						w.setCreating()
					default:
						w.temporal.memo[memoUpdate], w.row.update = uuid.New(), minigroup.UpdateRunning
						if r.operation == operationCreate {
							continue // the minigroup is ready, which is the answer
						}
					}
					_, _, err := r.send(t.Context(), w, 10*time.Second)
					wantInProgress(t, err)
					if n := w.temporal.started.Load(); n != 0 {
						t.Errorf("%d runs were started", n)
					}
				}
			})
		})
	}
}

// TestARequestJoinsTheRunOfAnEqualOne sends each request while a run of an equal one is open and undecided.
func TestARequestJoinsTheRunOfAnEqualOne(t *testing.T) {
	for name, r := range requests {
		if name == "create of another draft" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := failedWhileOpen(r)
				if w.row.update = minigroup.UpdateRunning; r.operation == operationCreate {
					w.setCreating()
				}
				time.AfterFunc(3*time.Second, func() {
					w.row.before.State, w.row.update = minigroup.Ready, minigroup.UpdateDone
					close(w.temporal.closed)
				})
				began := time.Now()
				_, outcome, err := r.send(t.Context(), w, 15*time.Second)
				n, took := w.temporal.started.Load(), time.Since(began)
				if err != nil || outcome != minigroup.OutcomeDone || n != 0 || took != 3*time.Second {
					t.Errorf("got outcome %d, %v after %s; %d runs were started", outcome, err, took, n)
				}
			})
		})
	}
}

func TestRetryIsRefusedForWhatHasNotFailed(t *testing.T) {
	past := minigroup.Window{End: new(int64(1))}
	for name, c := range map[string]struct {
		m    minigroup.Minigroup
		kind minigroup.Kind
	}{
		"ready":                          {minigroup.Minigroup{State: minigroup.Ready}, minigroup.RetryNotPossible},
		"failed after its end":           {minigroup.Minigroup{State: minigroup.Failed}, minigroup.RetryNotPossible},
		"still being created at its end": {minigroup.Minigroup{State: minigroup.Creating}, minigroup.OperationInProgress},
	} {
		t.Run(name, func(t *testing.T) {
			w := newOpenRunWorld(operationCreate, "")
			if c.m.State != minigroup.Ready {
				c.m.Time = past
			}
			_, _, err := w.starter.Retry(t.Context(), c.m, minigroup.Requester{}, time.Second)
			var public *minigroup.Error
			if !errors.As(err, &public) || public.Kind != c.kind || w.temporal.started.Load() != 0 {
				t.Errorf("got %v, want %s", err, c.kind)
			}
		})
	}
}
