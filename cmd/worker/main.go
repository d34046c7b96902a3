// Command worker carries out the sagas: it polls Temporal for work and calls event, conference and the Janus gateways.
// Any number of workers may run.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"minigroups/activities"
	"minigroups/announcements"
	"minigroups/auth"
	"minigroups/clients/conference"
	"minigroups/clients/event"
	"minigroups/clients/janus"
	"minigroups/cmd/internal/process"
	"minigroups/config"
	"minigroups/storage"
	"minigroups/workflows"
)

func main() { os.Exit(process.Main("worker", run, config.ForWorker...)) }

func run(ctx context.Context, cfg config.Config, signals *process.Signals) error {
	log := signals.Log.Logger
	store, err := process.Database(ctx, cfg, signals)
	if err != nil {
		return err
	}
	defer store.Close()
	signer, err := process.Signer(cfg.Account)
	if err != nil {
		return err
	}
	temporal, err := process.ReachTemporal(ctx, cfg.Temporal, signals)
	if err != nil {
		return err
	}
	defer temporal.Close()
	starter := workflows.NewStarter(temporal, store, cfg.Temporal.TaskQueue, cfg.Saga.Patience)
	swept := process.NewSwept()
	count := func(what string, n int) { swept.WithLabelValues(what).Add(float64(n)) }
	heard := process.NewHeard()
	var listening announcements.Options
	if cfg.Announcements.Broker != "" {
		if listening, err = listenTo(cfg, signer, store, heard, log.Named("announcements")); err != nil {
			return err
		}
	}
	steps, sweeper := work(cfg, signals.Transport(), signer, store, starter, count, log)
	w := worker.New(temporal, cfg.Temporal.TaskQueue, worker.Options{
		WorkerStopTimeout: cfg.Saga.StepWait + time.Second, DeploymentOptions: versioning(cfg),
	})
	workflows.Register(w, steps)
	workflows.RegisterSweeper(w, sweeper)
	if err := w.Start(); err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	log.Info("working", zap.String("task_queue", cfg.Temporal.TaskQueue))
	metrics := []prometheus.Collector{
		swept, process.Ledger{Gauges: store.Gauges}, process.Pool{Stats: store.PoolStats}, process.NewFlights(steps.Flights.InTheAir),
	}
	group, ctx := errgroup.WithContext(ctx)
	if cfg.Announcements.Broker != "" {
		metrics = append(metrics, heard)
		group.Go(func() error { return announcements.Run(ctx, listening) })
	}
	group.Go(func() error { return process.Metrics(ctx, cfg.Worker.MetricsListen, signals, metrics...) })
	group.Go(func() error {
		<-ctx.Done()
		w.Stop()
		landing, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.Saga.Flight)
		defer cancel()
		steps.Flights.Stop(landing)
		return nil
	})
	return group.Wait()
}

// work is what the worker does: the steps of the sagas, and sweeping, of which count is told.
func work(cfg config.Config, transport http.RoundTripper, signer *auth.Signer, store *storage.Store, starter *workflows.Starter, count func(string, int), log *zap.Logger) (*activities.Activities, *activities.Sweeper) {
	gateways := janus.New(janus.Config{
		AdminSecret: cfg.Janus.AdminSecret.Reveal(), AdminKey: cfg.Janus.AdminKey.Reveal(), RoomKey: cfg.Janus.RoomKey.Reveal(),
	}, transport)
	neverSeen := cfg.Announcements.NeverSeen
	if cfg.Announcements.Broker == "" {
		neverSeen = 0
	}
	steps := &activities.Activities{
		Settings: activities.Settings{
			StepWait: cfg.Saga.StepWait, Flight: cfg.Saga.Flight,
			Gateways: cfg.Janus.Reservation == config.ReservedByGateway, Group: cfg.Janus.Group,
		},
		Ledger:     store,
		Event:      event.New(cfg.Event.URL, transport, signer.Token),
		Conference: conference.New(cfg.Conference.URL, transport, signer.Token),
		Janus:      gateways,
		Runs:       starter,
		Flights:    activities.NewFlights(store, starter, log.Named("flights")),
	}
	return steps, &activities.Sweeper{
		Ledger: store, Healer: starter, Rooms: gateways, Steps: steps, Grace: cfg.Saga.Grace, NeverSeen: neverSeen, Count: count,
	}
}
