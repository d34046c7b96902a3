// Package work is the worker within a process: it carries out sagas, sweeps, and listens to what is announced.
package work

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"minigroups/activities"
	"minigroups/auth"
	"minigroups/clients/conference"
	"minigroups/clients/event"
	"minigroups/clients/janus"
	"minigroups/cmd/internal/process"
	"minigroups/config"
	"minigroups/mqtt"
	"minigroups/storage"
	"minigroups/telemetry"
	"minigroups/workflows"
)

// Worker carries out the sagas of a task queue. It is a prometheus.Collector of what there is to show of it.
type Worker struct {
	telemetry.Group
	temporal  client.Client
	taskQueue string
	options   worker.Options
	landing   time.Duration
	steps     *activities.Activities
	sweeper   *activities.Sweeper
	// listening is nil where no broker is configured.
	listening *mqtt.Options
	log       *zap.Logger
}

// Parts are what a worker shares with the rest of its process.
type Parts struct {
	Store    *storage.Store
	Signer   *auth.Signer
	Temporal client.Client
	Starter  *workflows.Starter
	// Transport are the connections to all upstreams.
	Transport http.RoundTripper
	Log       *zap.Logger
}

// New makes the worker of a process; Run starts it. suffix tells its session at the broker from those of other processes on
// the same host.
func New(cfg config.Config, p Parts, suffix string) (*Worker, error) {
	swept := process.NewSwept()
	w := &Worker{
		temporal: p.Temporal, taskQueue: cfg.Temporal.TaskQueue,
		options: worker.Options{WorkerStopTimeout: cfg.Saga.StepWait + time.Second, DeploymentOptions: versioning(cfg)},
		landing: cfg.Saga.RequestTimeout,
		log:     p.Log,
	}
	w.steps, w.sweeper = carryOut(cfg, p, func(what string, n int) { swept.WithLabelValues(what).Add(float64(n)) })
	w.Group = telemetry.Group{swept, process.Ledger{Gauges: p.Store.Gauges}, process.NewInFlight(w.steps.InFlight.Count)}
	if cfg.MQTT.Broker != "" {
		heard := process.NewEventMetrics()
		listening, err := listenTo(cfg, p.Signer, p.Store, heard, suffix, p.Log.Named("announcements"))
		if err != nil {
			return nil, err
		}
		w.listening, w.Group = &listening, append(w.Group, heard)
	}
	return w, nil
}

// Run works until ctx ends, and then waits for the steps and requests under way. While Temporal is out of reach it waits for
// it. Call it once.
func (w *Worker) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if w.listening != nil {
		group.Go(func() error { return mqtt.Run(ctx, *w.listening) })
	}
	group.Go(func() error {
		running := w.start(ctx)
		<-ctx.Done()
		if running != nil {
			running.Stop()
		}
		landing, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.landing)
		defer cancel()
		w.steps.InFlight.Stop(landing)
		return nil
	})
	return group.Wait()
}

// startEvery is how long a worker waits before it tries again to reach Temporal.
const startEvery = time.Second

// start returns the worker that has started, nil where ctx has ended first.
func (w *Worker) start(ctx context.Context) worker.Worker {
	for {
		fresh := worker.New(w.temporal, w.taskQueue, w.options) // one that could not start cannot be started again
		workflows.Register(fresh, w.steps)
		workflows.RegisterSweeper(fresh, w.sweeper)
		err := fresh.Start()
		if err == nil {
			w.log.Info("working", zap.String("task_queue", w.taskQueue))
			return fresh
		}
		w.log.Warn("the worker cannot start yet", zap.Error(fmt.Errorf("reach Temporal: %w", err)))
		pause := time.NewTimer(startEvery)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil
		}
	}
}

// carryOut is what the worker does: the steps of the sagas, and sweeping, of which count is told.
func carryOut(cfg config.Config, p Parts, count func(string, int)) (*activities.Activities, *activities.Sweeper) {
	gateways := janus.New(janus.Config{
		AdminSecret: cfg.Janus.AdminSecret.Reveal(), AdminKey: cfg.Janus.AdminKey.Reveal(), RoomKey: cfg.Janus.RoomKey.Reveal(),
	}, p.Transport)
	neverSeen := cfg.MQTT.NeverSeen
	if cfg.MQTT.Broker == "" {
		neverSeen = 0
	}
	steps := &activities.Activities{
		Settings: activities.Settings{
			StepWait: cfg.Saga.StepWait, RequestTimeout: cfg.Saga.RequestTimeout,
			Gateways: cfg.Janus.Reservation == config.ReservedByGateway, Group: cfg.Janus.Group,
		},
		Ledger:     p.Store,
		Event:      event.New(cfg.Event.URL, p.Transport, p.Signer.Token),
		Conference: conference.New(cfg.Conference.URL, p.Transport, p.Signer.Token),
		Janus:      gateways,
		Runs:       p.Starter,
		InFlight:   activities.NewInFlight(p.Store, p.Starter, cfg.Saga.MaxInFlight, p.Log.Named("flights")),
	}
	return steps, &activities.Sweeper{
		Ledger: p.Store, Recovery: p.Starter, Rooms: gateways, Steps: steps,
		Grace: cfg.Saga.Grace, NeverSeen: neverSeen, Retention: cfg.Retention.History, Count: count,
	}
}
