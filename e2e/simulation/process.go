package simulation

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"

	"minigroups/activities"
	"minigroups/auth"
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
	frozenUntil  time.Time // it may go on then
	starts       int
	// stopped is closed when everything of a process that was killed has ended.
	stopped chan struct{}

	temporal client.Client
	worker   worker.Worker
	inFlight *activities.InFlight
	starter  *workflows.Starter
	api      http.Handler
	// bearer is the token of the callers.
	bearer   string
	verifier *auth.Verifier
	callers  sync.WaitGroup
	// calls are the names of the calls of the ledger, by their connection.
	calls sync.Map
	// ctx ends when the process is killed.
	ctx    context.Context //nolint:containedctx // the life of the process
	cancel context.CancelFunc
}

// around lets the scheduler decide about a request to Temporal.
func (p *process) around(ctx context.Context, method string, send func() error) error {
	polls := strings.HasPrefix(method, "Poll")
	waits := strings.HasPrefix(method, "GetSystemInfo") || strings.HasPrefix(method, "DescribeNamespace") ||
		strings.HasPrefix(method, "ShutdownWorker") || method == "Check" // of its health, under a mutex
	if !waits && !polls {
		if _, err := p.sched.wait(ctx, p, "temporal: "+method, way{callsFail, "not connected", fail}); err != nil {
			return unavailable(err)
		}
	}
	if err := send(); err != nil || waits || polls {
		return err
	}
	if _, err := p.sched.wait(ctx, p, "temporal: reply to "+method, way{callsFail, "reply lost", fail}); err != nil {
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
	if p.api, err = p.newAPI(); err != nil {
		return err
	}
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
