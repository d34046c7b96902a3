package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/zap"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/storage/storagetest"
	"minigroups/stored"
	"minigroups/workflows"
)

const (
	// stepWait is less than the pause before a gateway is looked at again, and enough for a ledger on a busy machine.
	stepWait       = 1500 * time.Millisecond
	requestTimeout = 500 * time.Millisecond
	maxAttempts    = 10
	// deadline is how long a test waits for what must come.
	deadline = 20 * time.Second
)

// database is a real ledger for the cases of one test, each with a class and gateways of its own.
type database struct {
	store *storage.Store
	pool  *pgxpool.Pool
}

func newDatabase(t *testing.T) database {
	t.Helper()
	return tracedDatabase(t, nil)
}

func tracedDatabase(t *testing.T, tracer pgx.QueryTracer) database {
	t.Helper()
	store, conn := storagetest.Traced(t, tracer)
	pool, err := pgxpool.New(t.Context(), conn.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return database{store, pool}
}

// stage is where sagas are played: the world, a real ledger and one process that works on both.
type harness struct {
	*testing.T
	*world
	ledger ledger
	db     *pgxpool.Pool
	acts   *activities.Activities
	// group is the group of the gateways.
	group string
	// gone makes every run the one that is not current.
	notCurrent atomic.Bool
	// current is the id of the one run that is current; empty where every run is taken for that.
	current atomic.Value
	// deaf makes Temporal start no run that closes a room.
	closeRoomFails atomic.Bool
	closing        sync.WaitGroup
}

func (b database) newHarness(t *testing.T) *harness {
	t.Helper()
	s := &harness{T: t, world: newWorld(), db: b.pool, group: uuid.NewString()}
	s.ledger = ledger{Store: b.store, world: s.world, db: b.pool, unknownAttempts: new(atomic.Bool)}
	s.acts = s.newProcess(activities.Settings{StepWait: stepWait, RequestTimeout: requestTimeout, Gateways: true, Group: s.group})
	s.setCapacities(10)
	return s
}

// process is a worker process: flights of its own on the one ledger. It stops with the test, and stops in time.
func (s *harness) newProcess(settings activities.Settings) *activities.Activities {
	return s.newProcessWith(settings, 0)
}

// newProcessWith is a process that has so many requests in flight at most.
func (s *harness) newProcessWith(settings activities.Settings, most int) *activities.Activities {
	flights := activities.NewInFlight(s.ledger, s, most, zap.NewNop())
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		flights.Stop(ctx)
		s.closing.Wait()
		if ctx.Err() != nil {
			s.Error("a flight did not land")
		}
	})
	return &activities.Activities{
		Settings: settings, Ledger: s.ledger, Event: eventService{s.world}, Conference: conferenceService{s.world},
		Janus: janusService{s.world}, Runs: s, InFlight: flights,
	}
}

// backend is the id of the gateway of this number.
func (s *harness) backend(number int) string { return fmt.Sprintf("%s-%d", s.group, number) }

// setCapacities makes the gateways number 1, 2 … with these capacities, whatever gateways other cases have.
func (s *harness) setCapacities(capacities ...int32) {
	s.Helper()
	for i, c := range capacities {
		_, err := s.db.Exec(s.Context(), `
			INSERT INTO janus_backend (id, "group", capacity, admin_url) VALUES ($1, $2, $3, 'http://127.0.0.1:1')
			ON CONFLICT (id) DO UPDATE SET capacity = $3`, s.backend(i+1), s.group, c)
		if err != nil {
			s.Fatal(err)
		}
	}
}

// IsCurrent, CloseRoom and Decided make a stage the activities.Runs of its processes.
func (s *harness) IsCurrent(_ context.Context, _, run string) (bool, error) {
	current, _ := s.current.Load().(string)
	return !s.notCurrent.Load() && (current == "" || current == run), nil
}

func (s *harness) Decided(uuid.UUID) {}

func (s *harness) Established(minigroup.Minigroup) {}

func (s *harness) CloseRoom(_ context.Context, room minigroup.RoomPendingClose) error {
	if s.closeRoomFails.Load() {
		return errors.New("temporal is away")
	}
	s.closing.Add(1)
	go func() {
		defer s.closing.Done()
		s.run("close "+room.ID.String(), workflows.CloseRoom, activities.Room{Kind: room.Kind, ID: room.ID})
	}()
	return nil
}

// newDraft is a class of its own that has begun, with 8 slots and a locked chat.
func newDraft() minigroup.Draft {
	now := time.Now().Unix()
	return minigroup.Draft{
		Audience: "example.org", Scope: "math/7b/" + uuid.NewString(), Host: "host.example.org", Time: minigroup.Window{Start: new(now - 60), End: new(now + 3600)},
		Tags: json.RawMessage(`{"grade":7}`), Reserve: new(int32(8)), LockedChat: true,
	}
}

func (s *harness) create(run string, d minigroup.Draft, plots ...hook) *result {
	return s.createAs(run, minigroup.NewCreateRequest(d), plots...)
}

func (s *harness) createAs(run string, r minigroup.CreateRequest, plots ...hook) *result {
	in := workflows.CreateInput{Request: stored.NewCreateRequest(r), MaxAttempts: maxAttempts}
	return s.run(run, workflows.CreateMinigroup, in, plots...)
}

func (s *harness) createIn(acts *activities.Activities, run string, d minigroup.Draft) *result {
	in := workflows.CreateInput{Request: requestOf(d), MaxAttempts: maxAttempts}
	return s.runIn(acts, run, workflows.CreateMinigroup, in)
}

// beside does something beside the test. What it returns waits for the end of it, and so does the end of the test.
func inBackground[T any](s *harness, do func() T) (ended func() T) {
	over := make(chan struct{})
	var out T
	go func() {
		defer close(over)
		out = do()
	}()
	s.Cleanup(func() { waitFor(over) })
	return func() T {
		s.Helper()
		select {
		case <-over:
		case <-time.After(deadline):
			s.Fatal("it did not end")
		}
		return out
	}
}

// played is a run that has ended.
type result struct {
	err error
	// retried are the activities that were retried, in order, once for each attempt of the retry phase.
	retried []string
	// attempts are the attempts of the retry phase that the activities themselves saw, in order.
	attempts []attemptSeen
	// cancelledTimers counts the timers that the run has cancelled.
	cancelledTimers int
	// attention and stages are the values that the search attributes had, in order.
	attention []bool
	stages    []string
	// waiting are the services that MinigroupWaitingFor named, in order.
	waiting []string
	// progress is what the query tells once the run has ended, and metrics what was measured.
	progress workflows.Progress
	metrics  *metricsRecorder
}

// attemptSeen is one attempt of a regular activity.
type attemptSeen struct {
	activity, id string
	number       int32
}

// cancelled reports whether the run ended as one that was cancelled.
func (p *result) cancelled() bool {
	var c *temporal.CanceledError
	return errors.As(p.err, &c)
}

// kind is the kind of failure that the run ended with; empty where it did not fail.
func (p *result) kind() minigroup.Kind {
	var app *temporal.ApplicationError
	if p.err == nil || !errors.As(p.err, &app) {
		return ""
	}
	return minigroup.Kind(app.Type())
}

// plot is something that happens to a run: it is told when an activity is about to begin, and returns false where the
// activity shall not be carried out. Or it looks at the run so long after its start.
type hook struct {
	activity string
	before   func(ctx context.Context, cancel func()) bool
	after    func(cancel func())

	at      time.Duration
	inspect func(workflows.Progress)
}

// cancelBefore cancels the run when the activity has been started and has done nothing.
func cancelBefore(name string) hook {
	return hook{activity: name, before: func(ctx context.Context, cancel func()) bool {
		cancel()
		waitFor(ctx.Done())
		return false
	}}
}

// waitFor waits for what has to come. Where it does not, the test goes on and fails by what it finds.
func waitFor(moment <-chan struct{}) {
	select {
	case <-moment:
	case <-time.After(deadline / 2):
	}
}

// cancelAfter cancels the run once the workflow has heard that the activity is done.
func cancelAfter(name string) hook {
	return hook{activity: name, after: func(cancel func()) { cancel() }}
}

// run plays a workflow to its end, all of its activities included, in an environment that skips time.
func (s *harness) run(id string, wf, in any, plots ...hook) *result {
	return s.runIn(s.acts, id, wf, in, plots...)
}

// runIn plays a workflow on a worker process of its own.
func (s *harness) runIn(acts *activities.Activities, id string, wf, in any, plots ...hook) *result {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	measured := newMetricsRecorder()
	suite.SetMetricsHandler(measured)
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(deadline)
	w := &watcher{run: id, plots: plots, cancel: env.CancelWorkflow, ids: map[string]string{}}
	w.metrics = measured
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{w}, DeadlockDetectionTimeout: deadline})
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "minigroup/test"})
	env.RegisterActivity(acts)
	env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.retried = append(w.retried, info.ActivityType.Name)
	})
	env.SetOnLocalActivityCompletedListener(func(info *activity.Info, _ converter.EncodedValue, _ error) { w.completed(info.ActivityID) })
	env.SetOnTimerCanceledListener(func(string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.cancelledTimers++
	})
	ask := func() (p workflows.Progress) {
		if answer, err := env.QueryWorkflow(workflows.QueryProgress); err != nil || answer.Get(&p) != nil {
			s.Errorf("the query is not answered: %v", err)
		}
		return p
	}
	for _, p := range plots {
		if p.inspect != nil {
			env.RegisterDelayedCallback(func() { p.inspect(ask()) }, p.at)
		} else if p.activity == "" {
			env.RegisterDelayedCallback(env.CancelWorkflow, 0)
		}
	}
	env.ExecuteWorkflow(wf, in)
	w.working.Lock()
	w.working.Unlock() //nolint:staticcheck // whoever was at work is done
	if !env.IsWorkflowCompleted() {
		s.Error("the run did not end")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = env.GetWorkflowError()
	w.progress = ask()
	return &w.result
}

// cancelAtOnce cancels a run before it has done anything.
var cancelAtOnce = hook{}

// watcher gives a run its id, plays its plots and writes down what support would see of it.
type watcher struct {
	interceptor.WorkerInterceptorBase
	run    string
	plots  []hook
	cancel func()
	// working is read-locked by activities that are being carried out, those that nobody waits for included. One may begin
	// while the end is waited for, which a WaitGroup does not allow.
	working sync.RWMutex

	mu  sync.Mutex
	ids map[string]string // activity id, name
	result
}

func (w *watcher) completed(id string) {
	w.mu.Lock()
	name := w.ids[id]
	w.mu.Unlock()
	for _, p := range w.plots {
		if p.activity == name && p.after != nil {
			p.after(w.cancel)
		}
	}
}

func (w *watcher) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &watchedActivity{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, w: w}
}

type watchedActivity struct {
	interceptor.ActivityInboundInterceptorBase
	w *watcher
}

func (a *watchedActivity) Init(out interceptor.ActivityOutboundInterceptor) error {
	return a.Next.Init(&activityOfRun{ActivityOutboundInterceptorBase: interceptor.ActivityOutboundInterceptorBase{Next: out}, run: a.w.run})
}

func (a *watchedActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	a.w.working.RLock()
	defer a.w.working.RUnlock()
	info := activity.GetInfo(ctx)
	a.w.mu.Lock()
	a.w.ids[info.ActivityID] = info.ActivityType.Name
	if !info.IsLocalActivity {
		a.w.attempts = append(a.w.attempts, attemptSeen{info.ActivityType.Name, info.ActivityID, info.Attempt})
	}
	a.w.mu.Unlock()
	for _, p := range a.w.plots {
		if p.activity == info.ActivityType.Name && p.before != nil && !p.before(ctx, a.w.cancel) {
			return nil, ctx.Err()
		}
	}
	return a.Next.ExecuteActivity(ctx, in)
}

// activityOfRun tells activities the id of their run, which the environment gives the same for all.
type activityOfRun struct {
	interceptor.ActivityOutboundInterceptorBase
	run string
}

func (a *activityOfRun) GetInfo(ctx context.Context) activity.Info {
	info := a.Next.GetInfo(ctx)
	info.WorkflowExecution.RunID = a.run
	return info
}

func (w *watcher) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &watchedWorkflow{WorkflowInboundInterceptorBase: interceptor.WorkflowInboundInterceptorBase{Next: next}, w: w}
}

type watchedWorkflow struct {
	interceptor.WorkflowInboundInterceptorBase
	w *watcher
}

func (f *watchedWorkflow) Init(out interceptor.WorkflowOutboundInterceptor) error {
	return f.Next.Init(&watchedAttributes{WorkflowOutboundInterceptorBase: interceptor.WorkflowOutboundInterceptorBase{Next: out}, w: f.w})
}

type watchedAttributes struct {
	interceptor.WorkflowOutboundInterceptorBase
	w *watcher
}

func (a *watchedAttributes) UpsertTypedSearchAttributes(ctx workflow.Context, updates ...temporal.SearchAttributeUpdate) error {
	set := temporal.NewSearchAttributes(updates...)
	a.w.mu.Lock()
	if value, ok := set.GetBool(workflows.AttributeAttention); ok {
		a.w.attention = append(a.w.attention, value)
		services, _ := set.GetKeywordList(workflows.AttributeWaitingFor)
		a.w.waiting = append(a.w.waiting, strings.Join(services, ","))
	}
	if value, ok := set.GetKeyword(workflows.AttributeStage); ok {
		a.w.stages = append(a.w.stages, value)
	}
	a.w.mu.Unlock()
	return a.Next.UpsertTypedSearchAttributes(ctx, updates...)
}

// act carries out one activity for a run, outside any workflow: what a run did that was gone before it did more.
func (s *harness) execute(run string, fn, in any) error {
	s.Helper()
	return s.executeIn(s.acts, run, fn, in)
}

func (s *harness) executeIn(acts *activities.Activities, run string, fn, in any) error {
	s.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&watcher{run: run, ids: map[string]string{}}}})
	env.RegisterActivity(acts)
	_, err := env.ExecuteActivity(fn, in)
	return err
}

// sweepGateways does what the sweep of the gateways does: it brings them to what the ledger says of a class.
func (s *harness) sweepGateways(classID uuid.UUID) error {
	s.Helper()
	patient := *s.acts
	patient.Settings.StepWait = deadline
	return s.executeIn(&patient, "sweep", patient.SyncGateways, activities.ClassRef{ID: classID})
}
