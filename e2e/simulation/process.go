package simulation

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"

	"minigroups/activities"
	"minigroups/clients/conference"
	"minigroups/clients/event"
	"minigroups/clients/janus"
	"minigroups/e2e/simulation/temporal"
	"minigroups/storage"
	"minigroups/workflows"
)

const (
	taskQueue      = "simulation"
	stepWait       = 10 * time.Second
	requestTimeout = time.Minute
	retryBudget    = 2 * time.Minute
	grace          = 15 * time.Minute
	lostTimeout    = 24 * time.Hour
)

// process is a process of the service: an API with a worker.
type process struct {
	name  string
	sched *scheduler
	world *world
	store *storage.Store

	dead, frozen bool
	starts       int
	// stopped is closed when everything of a process that was killed has ended.
	stopped chan struct{}

	temporal client.Client
	worker   worker.Worker
	inFlight *activities.InFlight
	starter  *workflows.Starter
	callers  sync.WaitGroup
	// calls are the names of the calls of the ledger, by their connection.
	calls sync.Map
	// ctx ends when the process is killed.
	ctx    context.Context //nolint:containedctx // the life of the process
	cancel context.CancelFunc
}

// Of the tracer of the pool, the scheduler uses the beginning of each call of the ledger, and its end.

// TraceQueryStart implements pgx.QueryTracer.
func (p *process) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (p *process) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceAcquireStart implements pgxpool.AcquireTracer.
func (p *process) TraceAcquireStart(
	ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData,
) context.Context {
	name := caller() + inActivity(ctx)
	if err := p.sched.wait(ctx, p, "ledger: "+name, "not connected"); err != nil {
		failed, cancel := context.WithCancel(ctx)
		cancel()
		return failed
	}
	return context.WithValue(ctx, nameKey{}, name)
}

// nameKey is the key of the name of a call in its context.
type nameKey struct{}

// TraceAcquireEnd implements pgxpool.AcquireTracer.
func (p *process) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, end pgxpool.TraceAcquireEndData) {
	if name, ok := ctx.Value(nameKey{}).(string); ok && end.Conn != nil {
		p.calls.Store(end.Conn, name)
	}
}

// TraceRelease implements pgxpool.ReleaseTracer.
func (p *process) TraceRelease(_ *pgxpool.Pool, release pgxpool.TraceReleaseData) {
	name, _ := p.calls.LoadAndDelete(release.Conn)
	_ = p.sched.wait(context.Background(), p, fmt.Sprintf("ledger: done %v", name), "") // the call has ended
}

// around lets the scheduler decide about a request to Temporal.
func (p *process) around(ctx context.Context, method string, send func() error) error {
	polls := strings.HasPrefix(method, "Poll")
	waits := strings.HasPrefix(method, "GetSystemInfo") || strings.HasPrefix(method, "DescribeNamespace") ||
		strings.HasPrefix(method, "ShutdownWorker") || method == "Check" // of its health, under a mutex
	if !waits && !polls {
		if err := p.sched.wait(ctx, p, "temporal: "+method, "not connected"); err != nil {
			return unavailable(err)
		}
	}
	if err := send(); err != nil || waits || polls {
		return err
	}
	if err := p.sched.wait(ctx, p, "temporal: reply to "+method, "reply lost"); err != nil {
		return unavailable(err)
	}
	return nil
}

// start starts the process. It must not run.
func (p *process) start(server *temporal.Server, signer func() (string, error)) error {
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.dead, p.frozen, p.stopped = false, false, make(chan struct{})
	var err error
	p.starts++
	identity := fmt.Sprintf("%s.%d", p.name, p.starts)
	if p.temporal, err = server.Client(identity, p.around); err != nil {
		return err
	}
	p.starter = workflows.NewStarter(p.temporal, p.store, taskQueue, retryBudget)
	limits := activities.NewLimits(0)
	transport := network{p}
	gateways := activities.LimitedGateways{Limits: limits, Gateways: janus.New(janus.Config{
		AdminSecret: "secret", AdminKey: "key",
	}, transport)}
	p.inFlight = activities.NewInFlight(p.store, p.starter, zap.NewNop())
	steps := &activities.Activities{
		Settings: activities.Settings{StepWait: stepWait, RequestTimeout: requestTimeout, Gateways: true},
		Ledger:   p.store,
		Event:    activities.LimitedEvent{Limits: limits, Event: event.New("http://event", transport, signer)},
		Conference: activities.LimitedConference{
			Limits: limits, Conference: conference.New("http://conference", transport, signer),
		},
		Janus: gateways, Runs: p.starter, InFlight: p.inFlight, Limits: limits,
	}
	sweeper := &activities.Sweeper{
		Ledger: p.store, Recovery: p.starter, Rooms: gateways, Steps: steps, Grace: grace, LostRoomTimeout: lostTimeout,
		Retention: 0, Budget: activities.SweepBudget, Count: func(string, int) {},
	}
	// The cache of runs is one for the whole Go program, so processes would share it. Without it, each task is replayed.
	worker.SetStickyWorkflowCacheSize(0)
	p.worker = worker.New(p.temporal, taskQueue, worker.Options{
		Identity: identity, WorkerStopTimeout: time.Millisecond, MaxConcurrentWorkflowTaskPollers: 2,
		MaxConcurrentActivityTaskPollers: 1, DisableEagerActivities: true,
		MaxConcurrentActivityExecutionSize: 20, MaxConcurrentLocalActivityExecutionSize: 20,
		MaxConcurrentWorkflowTaskExecutionSize: 20,
	})
	workflows.Register(p.worker, steps)
	workflows.RegisterSweeper(p.worker, sweeper)
	return p.worker.Start()
}

// kill ends the process as a power cut does: it loses its memory and does nothing more.
func (p *process) kill() {
	p.sched.kill(p)
	p.cancel()
	go func() {
		defer close(p.stopped)
		p.worker.Stop()
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		p.inFlight.Stop(ended)
		p.callers.Wait()
		p.temporal.Close()
	}()
}
