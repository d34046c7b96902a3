// Package worker is the program that runs the sagas: it polls Temporal for workflow tasks and activities, and calls
// event, conference and the Janus gateways. Any number of workers may run.
package worker

import (
	"context"
	"flag"

	"golang.org/x/sync/errgroup"

	"minigroups/activities"
	"minigroups/cmd/internal/process"
	"minigroups/cmd/internal/sagaworker"
	"minigroups/config"
	"minigroups/workflows"
)

// Main runs the program with its arguments and returns its exit code.
func Main(args []string) int {
	return process.Main(flag.NewFlagSet("worker", flag.ContinueOnError), args, run, config.ForWorker...)
}

func run(ctx context.Context, cfg config.Config, signals *process.Signals) error {
	store, err := process.MigratedDatabase(ctx, cfg, signals)
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
	worker, err := sagaworker.New(cfg, sagaworker.Parts{
		Store: store, Signer: signer, Temporal: temporal, Polls: signals.Polls,
		Transport: signals.Transport(), Log: signals.Log.Logger,
		Starter: workflows.NewStarter(temporal, store, cfg.Temporal.TaskQueue, cfg.Saga.RetryBudget),
		Limits:  activities.NewLimits(cfg.Saga.MaxInFlight),
	}, "")
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return worker.Run(ctx) })
	group.Go(func() error {
		pools := process.Pools{Writes: store.PoolStats, Reads: store.ReadPoolStats}
		return process.Metrics(ctx, cfg.Worker.MetricsListen, signals, worker, pools)
	})
	return group.Wait()
}
