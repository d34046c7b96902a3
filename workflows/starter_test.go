package workflows

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
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
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"minigroups/minigroup"
)

// fakeTemporal is a Temporal whose answers a test decides. Its runs succeed at once.
type fakeTemporal struct {
	client.Client
	// start is called for each start, with the number of starts before it. Without it, starts succeed at once.
	start func(ctx context.Context, before int) error
	// health answers health checks. Without it, Temporal is healthy.
	health func(ctx context.Context) error
	// open is the fingerprint of the open run, whose class is ready.
	open string

	starts, started, inFlight, maxInFlight, checks atomic.Int64
}

// ExecuteWorkflow bounds a start as the SDK does: by half of the time that its context has left, and by 10 s.
func (f *fakeTemporal) ExecuteWorkflow(
	ctx context.Context, _ client.StartWorkflowOptions, _ any, _ ...any,
) (client.WorkflowRun, error) {
	deadline, _ := ctx.Deadline()
	ctx, cancel := context.WithTimeout(ctx, min(time.Until(deadline)/2, 10*time.Second))
	defer cancel()
	n := f.inFlight.Add(1)
	defer f.inFlight.Add(-1)
	for highest := f.maxInFlight.Load(); n > highest; highest = f.maxInFlight.Load() {
		f.maxInFlight.CompareAndSwap(highest, n)
	}
	before := f.starts.Add(1) - 1
	if f.start != nil {
		if err := f.start(ctx, int(before)); err != nil {
			return nil, err
		}
	}
	f.started.Add(1)
	return endedRun{}, nil
}

func (f *fakeTemporal) CheckHealth(
	ctx context.Context, _ *client.CheckHealthRequest,
) (*client.CheckHealthResponse, error) {
	f.checks.Add(1)
	if f.health != nil {
		return nil, f.health(ctx)
	}
	return &client.CheckHealthResponse{}, nil
}

func (f *fakeTemporal) GetWorkflow(context.Context, string, string) client.WorkflowRun {
	return endedRun{}
}

func (f *fakeTemporal) DescribeWorkflowExecution(
	context.Context, string, string,
) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	memo := map[string]*commonpb.Payload{}
	for key, value := range map[string]string{memoOperation: operationCreate, memoFingerprint: f.open} {
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

type endedRun struct{ client.WorkflowRun }

func (endedRun) GetID() string                  { return "minigroup/example.org/math-7b" }
func (endedRun) GetRunID() string               { return "run-1" }
func (endedRun) Get(context.Context, any) error { return nil }

// rowsOfRuns has the row of a minigroup once its run has been started.
type rowsOfRuns struct {
	Store
	temporal *fakeTemporal
	request  minigroup.CreateRequest
}

func (s rowsOfRuns) ByID(context.Context, uuid.UUID) (minigroup.Minigroup, error) {
	if s.temporal.started.Load() == 0 && (s.temporal.open == "" || s.temporal.starts.Load() == 0) {
		return minigroup.Minigroup{}, minigroup.Errorf(minigroup.ClassNotFound, "none")
	}
	return minigroup.Minigroup{State: minigroup.Ready, Fingerprint: s.request.Fingerprint}, nil
}

func (s rowsOfRuns) Read(ctx context.Context, key minigroup.Key) (minigroup.Minigroup, error) {
	return s.ByID(ctx, key.ID)
}

func (rowsOfRuns) UpdateRecord(context.Context, uuid.UUID) (minigroup.UpdateRecord, error) {
	return minigroup.UpdateRecord{Update: minigroup.Update{State: minigroup.UpdateDone}}, nil
}

func (rowsOfRuns) AcceptCreate(context.Context, minigroup.Claim, minigroup.CreateRequest) error {
	return nil
}

// late is the answer of a request that ends without one.
func late(ctx context.Context) error {
	<-ctx.Done()
	if errors.Is(ctx.Err(), context.Canceled) {
		return serviceerror.NewCanceled("context canceled")
	}
	return serviceerror.NewDeadlineExceeded("context deadline exceeded")
}

// after is a start that takes d.
func after(d time.Duration) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		if !sleep(ctx, d) {
			return late(ctx)
		}
		return nil
	}
}

var exhausted = serviceerror.NewResourceExhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, "rps limit exceeded")

func newCreate(f *fakeTemporal) (*Starter, minigroup.CreateRequest) {
	r := minigroup.NewCreateRequest(minigroup.Draft{Audience: "example.org", Scope: "math-7b"})
	return NewStarter(f, rowsOfRuns{temporal: f, request: r}, "queue", time.Hour), r
}

// TestACallerIsAnsweredWhileTemporalIsSlow creates a minigroup, and checks the answer and how long it took.
func TestACallerIsAnsweredWhileTemporalIsSlow(t *testing.T) {
	const wait = 15 * time.Second
	r := minigroup.NewCreateRequest(minigroup.Draft{Audience: "example.org", Scope: "math-7b"})
	refused := func(context.Context) error { return errors.New("connection refused") }
	never := func(ctx context.Context, _ int) error { return late(ctx) }
	for name, c := range map[string]struct {
		temporal *fakeTemporal
		limit    time.Duration
		outcome  minigroup.Outcome
		kind     minigroup.Kind // of the problem; empty: ServiceUnavailable
		detail   string         // of the problem; empty: none
		min, max time.Duration
	}{
		"a start of 6 s is awaited": {
			temporal: &fakeTemporal{start: after(6 * time.Second)}, limit: wait,
			outcome: minigroup.OutcomeDone, min: 6 * time.Second, max: 6 * time.Second,
		},
		"a start that Temporal refuses twice as too busy is repeated": {
			temporal: &fakeTemporal{start: func(_ context.Context, before int) error {
				if before < 2 {
					return exhausted
				}
				return nil
			}},
			limit: wait, outcome: minigroup.OutcomeDone, max: time.Second,
		},
		"a start whose answer was lost finds its own run": {
			temporal: &fakeTemporal{open: r.Fingerprint, start: func(ctx context.Context, before int) error {
				if before == 0 {
					return late(ctx)
				}
				return serviceerror.NewWorkflowExecutionAlreadyStarted("running", "", "run-1")
			}},
			limit: wait, outcome: minigroup.OutcomeDone, min: 10 * time.Second, max: wait,
		},
		"a caller that does not wait has 4 s for the start": {
			temporal: &fakeTemporal{start: after(3900 * time.Millisecond)},
			outcome:  minigroup.OutcomeDone, min: 3900 * time.Millisecond, max: 3900 * time.Millisecond,
		},
		"a Temporal that is busy until the end of the wait": {
			temporal: &fakeTemporal{start: func(context.Context, int) error { return exhausted }}, limit: wait,
			detail: "Temporal is busy", min: wait, max: wait,
		},
		"a Temporal that is healthy and does not answer a start is busy": {
			temporal: &fakeTemporal{start: never}, limit: wait, detail: "Temporal is busy", min: wait, max: wait,
		},
		"a Temporal that refuses connections is away after 2 s": {
			temporal: &fakeTemporal{start: never, health: refused}, limit: time.Minute,
			detail: "Temporal is out of reach", min: 2 * time.Second, max: 2 * time.Second,
		},
		"a frozen Temporal is away after 2 s": {
			temporal: &fakeTemporal{start: never, health: late}, limit: time.Minute,
			detail: "Temporal is out of reach", min: 2 * time.Second, max: 2 * time.Second,
		},
		"a Temporal that answers Unavailable is away at once": {
			temporal: &fakeTemporal{start: func(context.Context, int) error {
				return serviceerror.NewUnavailable("connection refused")
			}},
			limit: wait, detail: "Temporal is out of reach",
		},
		"a Temporal without the namespace is asked once": {
			temporal: &fakeTemporal{start: func(context.Context, int) error {
				return serviceerror.NewNamespaceNotFound("default")
			}},
			limit: wait, kind: minigroup.ServiceMisconfigured, detail: "Temporal refuses the request",
		},
		"a Temporal with a search attribute of another type is asked once": {
			temporal: &fakeTemporal{start: func(context.Context, int) error {
				return serviceerror.NewInvalidArgument("invalid value for search attribute MinigroupAttention of type Keyword")
			}},
			limit: wait, kind: minigroup.ServiceMisconfigured, detail: "Temporal refuses the request",
		},
		"a Temporal that denies permission is asked once": {
			temporal: &fakeTemporal{start: func(context.Context, int) error {
				return serviceerror.NewPermissionDenied("request unauthorized", "")
			}},
			limit: wait, kind: minigroup.ServiceMisconfigured, detail: "Temporal refuses the request",
		},
		"a Temporal that does not accept the credentials is asked once": {
			temporal: &fakeTemporal{start: func(context.Context, int) error {
				return status.Error(codes.Unauthenticated, "invalid token")
			}},
			limit: wait, kind: minigroup.ServiceMisconfigured, detail: "Temporal refuses the request",
		},
		"a Temporal that fails for another reason is asked once": {
			temporal: &fakeTemporal{start: func(context.Context, int) error {
				return serviceerror.NewInternal("panic")
			}},
			limit: wait, detail: "Temporal is unavailable",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, r := newCreate(c.temporal)
				began := time.Now()
				_, outcome, err := s.Create(t.Context(), r, c.limit)
				took := time.Since(began)
				var public *minigroup.Error
				switch {
				case c.detail == "" && err != nil, c.detail != "" && !errors.As(err, &public):
					t.Errorf("got error %v, want %q", err, c.detail)
				case public != nil && (public.Kind != cmp.Or(c.kind, minigroup.ServiceUnavailable) ||
					!strings.HasPrefix(public.Detail, c.detail) || (public.RetryAfter == 0) != (c.kind != "")):
					t.Errorf("got %+v, want %q", public, c.detail)
				}
				if outcome != c.outcome || took < c.min || took > c.max {
					t.Errorf("got outcome %d after %s; want %d after %s to %s", outcome, took, c.outcome, c.min, c.max)
				}
			})
		})
	}
}

// TestEveryOperationWaitsForASlowTemporal sends the other requests that start runs.
func TestEveryOperationWaitsForASlowTemporal(t *testing.T) {
	for name, send := range map[string]func(context.Context, *Starter, minigroup.CreateRequest) error{
		"update": func(ctx context.Context, s *Starter, r minigroup.CreateRequest) error {
			m := minigroup.Minigroup{Draft: r.Draft, ID: r.ID, State: minigroup.Ready}
			_, _, err := s.Update(ctx, m, minigroup.Change{Host: new("a.b.example.org")}, 15*time.Second)
			return err
		},
		"recreate": func(ctx context.Context, s *Starter, r minigroup.CreateRequest) error {
			m := minigroup.Minigroup{Draft: r.Draft, ID: r.ID, State: minigroup.Ready}
			_, _, err := s.Update(ctx, m, minigroup.Change{Recreate: &minigroup.Recreation{}}, 15*time.Second)
			return err
		},
		"retry": func(ctx context.Context, s *Starter, r minigroup.CreateRequest) error {
			m := minigroup.Minigroup{Draft: r.Draft, ID: r.ID, State: minigroup.Failed, Fingerprint: r.Fingerprint}
			_, _, err := s.Retry(ctx, m, minigroup.Requester{}, 15*time.Second)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, r := newCreate(&fakeTemporal{start: after(6 * time.Second)})
				began := time.Now()
				if err := send(t.Context(), s, r); err != nil || time.Since(began) != 6*time.Second {
					t.Errorf("got %v after %s", err, time.Since(began))
				}
			})
		})
	}
}

// TestStartsAreQueued creates more minigroups at a time than there may be starts in flight.
func TestStartsAreQueued(t *testing.T) {
	const callers = 2*maxConcurrentStarts + 1
	audiences := []string{"a.example.org", "b.example.org"} // one alone leaves a permit to others
	// create returns the problems and the time that the last took.
	create := func(t *testing.T, f *fakeTemporal, limit time.Duration) (details map[string]int, took time.Duration) {
		s, r := newCreate(f)
		s.store = rowsOfRuns{temporal: &fakeTemporal{}, request: r} // no class exists yet
		details = map[string]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		began := time.Now()
		for i := range callers {
			r := r
			r.Audience = audiences[i%2]
			wg.Go(func() {
				ctx, cancel := s.startContext(t.Context(), limit)
				defer cancel()
				_, _, end, err := s.startOrJoin(ctx, s.createStart(r))
				if err == nil {
					end()
				}
				mu.Lock()
				defer mu.Unlock()
				var public *minigroup.Error
				if errors.As(err, &public) {
					detail, _, _ := strings.Cut(public.Detail, ", ")
					details[detail]++
				} else if err != nil {
					t.Error(err)
				}
				took = max(took, time.Since(began))
			})
		}
		wg.Wait()
		if n := f.maxInFlight.Load(); n != maxConcurrentStarts {
			t.Errorf("%d starts were in flight, want %d", n, maxConcurrentStarts)
		}
		return details, took
	}
	t.Run("and wait within the time of their caller", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			details, took := create(t, &fakeTemporal{start: after(3 * time.Second)}, 15*time.Second)
			if len(details) != 0 || took != 9*time.Second {
				t.Errorf("got %v after %s, want three rounds of 3 s", details, took)
			}
		})
	})
	t.Run("and are not sent when that is over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := new(fakeTemporal)
			s, r := newCreate(f)
			for i := range maxConcurrentStarts {
				if _, ok := s.starts.limiter.TryAcquire(audiences[i%2]); !ok {
					t.Fatal("the queue is full")
				}
			}
			began := time.Now()
			_, _, err := s.Create(t.Context(), r, 5*time.Second)
			var public *minigroup.Error
			if !errors.As(err, &public) || !strings.Contains(public.Detail, "nothing was started") {
				t.Errorf("got %v", err)
			}
			if n, took := f.starts.Load(), time.Since(began); n != 0 || took != 5*time.Second {
				t.Errorf("%d starts were sent within %s", n, took)
			}
		})
	})
	t.Run("and fail together when Temporal is away, with shared health checks", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeTemporal{
				start:  func(ctx context.Context, _ int) error { return late(ctx) },
				health: func(context.Context) error { return errors.New("connection refused") },
			}
			details, took := create(t, f, time.Minute)
			if details["Temporal is out of reach; the operation may have been started"] != callers {
				t.Errorf("got %v", details)
			}
			if took > 4*time.Second {
				t.Errorf("the last caller was answered after %s", took)
			}
		})
	})
}

func TestAnEagerStartIsPolledOnlyAfterAWhile(t *testing.T) {
	f := &startedRuns{}
	s := NewStarter(f, oneRow{err: minigroup.Errorf(minigroup.ClassNotFound, "none")}, "queue", time.Hour)
	r := minigroup.NewCreateRequest(minigroup.Draft{Audience: "example.org", Scope: "math-7b"})
	for _, eager := range []bool{false, true} {
		if eager {
			s.StartEagerly()
		}
		if _, _, err := s.Create(t.Context(), r, time.Second); err == nil {
			t.Error("it has found a row")
		}
		if f.last().EnableEagerStart != eager {
			t.Errorf("the options are %+v", f.last())
		}
	}
	if s.pollAfter < 20*time.Millisecond || s.pollAfter > time.Second {
		t.Errorf("it is polled after %s", s.pollAfter)
	}
}

func TestAStartEndsWhenTheProcessDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := newCreate(&fakeTemporal{start: func(ctx context.Context, _ int) error { return late(ctx) }})
		time.AfterFunc(10*time.Second, s.Drain)
		began := time.Now()
		_, _, err := s.Create(t.Context(), r, time.Minute)
		if took := time.Since(began); err == nil || took != 10*time.Second+backendTimeout {
			t.Errorf("got %v after %s", err, took)
		}
	})
}
