// Command worker carries out the sagas: it polls Temporal for work and calls event, conference and the Janus gateways.
// Any number of workers may run.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"minigroups/activities"
	"minigroups/auth"
	"minigroups/clients/conference"
	"minigroups/clients/event"
	"minigroups/clients/janus"
	"minigroups/clients/rest"
	"minigroups/cmd/internal/process"
	"minigroups/config"
	"minigroups/storage"
	"minigroups/workflows"
)

func main() { os.Exit(process.Main("worker", run, config.ForWorker...)) }

func run(ctx context.Context, cfg config.Config, log *zap.Logger) error {
	store, err := process.Database(ctx, cfg.Database, log)
	if err != nil {
		return err
	}
	defer store.Close()
	temporal, err := process.ReachTemporal(ctx, cfg.Temporal, log)
	if err != nil {
		return err
	}
	defer temporal.Close()
	starter := workflows.NewStarter(temporal, store, cfg.Temporal.TaskQueue, cfg.Saga.Patience)
	swept := process.NewSwept()
	count := func(what string, n int) { swept.WithLabelValues(what).Add(float64(n)) }
	steps, sweeper, err := work(cfg, store, starter, count, log)
	if err != nil {
		return err
	}
	w := worker.New(temporal, cfg.Temporal.TaskQueue, worker.Options{WorkerStopTimeout: cfg.Saga.StepWait + time.Second})
	workflows.Register(w, steps)
	workflows.RegisterSweeper(w, sweeper)
	if err := w.Start(); err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	log.Info("working", zap.String("task_queue", cfg.Temporal.TaskQueue))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return process.Metrics(ctx, cfg.Worker.MetricsListen, swept, process.LostAttempts{Count: store.LostAttempts})
	})
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
func work(cfg config.Config, store *storage.Store, starter *workflows.Starter, count func(string, int), log *zap.Logger) (*activities.Activities, *activities.Sweeper, error) {
	key, err := os.ReadFile(cfg.Account.PrivateKeyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("account.private_key_file: %w", err)
	}
	signer, err := auth.NewSigner(auth.Account{Label: cfg.Account.Label, Audience: cfg.Account.Audience}, key)
	if err != nil {
		return nil, nil, fmt.Errorf("account: %w", err)
	}
	transport := rest.NewTransport()
	gateways := janus.New(janus.Config{
		AdminSecret: cfg.Janus.AdminSecret.Reveal(), AdminKey: cfg.Janus.AdminKey.Reveal(), RoomKey: cfg.Janus.RoomKey.Reveal(),
	}, transport)
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
	return steps, &activities.Sweeper{Ledger: store, Healer: starter, Rooms: gateways, Steps: steps, Count: count}, nil
}
