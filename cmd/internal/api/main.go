// Package api is the program that serves the REST API: it reads minigroups from Postgres, starts sagas in Temporal, and
// forwards events to event. With api.worker it also runs the sagas, as the program worker does. Any number of APIs may
// run.
package api

import (
	"context"
	"flag"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"minigroups/activities"
	"minigroups/clients/event"
	"minigroups/cmd/internal/process"
	"minigroups/cmd/internal/sagaworker"
	"minigroups/config"
	"minigroups/httpapi"
	"minigroups/minigroup"
	"minigroups/workflows"
)

const (
	// bodyTimeout bounds the arrival of a request's body: 64 KiB over a slow connection.
	bodyTimeout = 10 * time.Second
	// pollInterval and maxWaitingReads: docs/capacity.md has what such a read costs.
	pollInterval    = 250 * time.Millisecond
	maxWaitingReads = 1000
	// drainTimeout bounds the wait for running requests on shutdown. By then they no longer wait for sagas, only for
	// Postgres and Temporal.
	drainTimeout = 20 * time.Second
)

// Main runs the program with its arguments and returns its exit code.
func Main(args []string) int {
	return process.Main(flag.NewFlagSet("api", flag.ContinueOnError), args, run, config.ForAPI...)
}

func run(ctx context.Context, cfg config.Config, signals *process.Signals) error {
	if cfg.API.Worker {
		if err := cfg.Check(config.ForWorker...); err != nil {
			return err
		}
	}
	log, transport, access := signals.Log.Logger, signals.Transport(), newAccessMetrics()
	verifier, err := newVerifier(ctx, cfg.Authentication, transport, access, log)
	if err != nil {
		return err
	}
	signer, err := process.Signer(cfg.Account)
	if err != nil {
		return err
	}
	authorizer, err := newAuthorizer(cfg, signer, transport, access, log)
	if err != nil {
		return err
	}
	store, err := process.MigratedDatabase(ctx, cfg, signals)
	if err != nil {
		return err
	}
	defer store.Close()
	temporal, err := process.Temporal(cfg.Temporal, signals)
	if err != nil {
		return err
	}
	defer temporal.Close()
	encryption, err := process.NewCodec(cfg.Temporal)
	if err != nil {
		return err
	}
	sagas := workflows.NewStarter(temporal, store, cfg.Temporal.TaskQueue, cfg.Saga.RetryBudget)
	defer context.AfterFunc(ctx, sagas.Drain)()
	limits := activities.NewLimits(cfg.Saga.MaxInFlight)
	requests := signals.NewRequests()
	handler := httpapi.New(httpapi.Deps{ //nolint:contextcheck // each request has a context of its own
		Minigroups:          store,
		Sagas:               sagas,
		Keys:                store,
		Properties:          store,
		History:             store,
		List:                store,
		Events:              limitedEvents{event.New(cfg.Event.URL, transport, signer.Token), limits},
		Verifier:            verifier,
		Authorizer:          authorizer,
		Ready:               store.Ready,
		TemporalState:       newNamespaceState(temporal, cfg.Temporal.Namespace, log).describe,
		WorkerState:         workerState(signals.Polls, cfg.API.Worker),
		BrokerState:         brokerState(cfg.MQTT.Broker),
		Draining:            ctx.Done(),
		Wait:                cfg.API.Wait,
		MaxWait:             config.MaxWait,
		PollInterval:        pollInterval,
		MaxWaitingReads:     maxWaitingReads,
		BodyTimeout:         bodyTimeout,
		KeyRetention:        cfg.API.IdempotencyKeys,
		AllowedOrigins:      cfg.API.AllowedOrigins,
		WritesPerMinute:     cfg.API.WritesPerMinute,
		MaxConcurrentWrites: cfg.API.MaxConcurrentWrites,
		// Half of the connections for reads, so that lists never delay all others.
		MaxConcurrentLists: max(1, int(store.ReadPoolStats().MaxConns())/2),
		MaxUnfinished:      cfg.API.MaxUnfinished,
		UnfinishedSagas:    store.UnfinishedSagas,
		TurnHosts:          cfg.API.TurnHosts,
		RunLink: func(m minigroup.Minigroup, runID string) string {
			return process.RunLink(cfg, m, runID)
		},
		TraceLink:   func(traceID string) string { return process.TraceLink(cfg, traceID) },
		WaitingFor:  workflows.Describer{Client: temporal, Failures: encryption.FailureConverter()}.WaitingFor,
		SupportPage: cfg.Support.Enabled,
		Requests:    requests,
		Log:         log,
	})
	group, ctx := errgroup.WithContext(ctx)
	metrics := []prometheus.Collector{requests, access, process.Pools{Writes: store.PoolStats, Reads: store.ReadPoolStats}}
	if cfg.API.Worker {
		worker, err := sagaworker.New(cfg, sagaworker.Parts{
			Store: store, Signer: signer, Temporal: temporal, Polls: signals.Polls, Transport: transport, Starter: sagas,
			Limits: limits, Log: log,
		}, "-api")
		if err != nil {
			return err
		}
		// With versioning, new runs go to the current build, which may be another one.
		if cfg.Worker.BuildID == "" {
			sagas.StartEagerly()
		}
		metrics = append(metrics, worker)
		group.Go(func() error { return worker.Run(ctx) })
	}
	log.Info("serving", zap.String("address", cfg.API.Listen))
	server := process.Server{
		Address: cfg.API.Listen, Handler: handler,
		IdleTimeout: cfg.API.IdleTimeout, DrainDelay: cfg.API.DrainDelay, DrainTimeout: drainTimeout,
	}
	group.Go(func() error { return server.Serve(ctx) })
	group.Go(func() error { return process.Metrics(ctx, cfg.API.MetricsListen, signals, metrics...) })
	return group.Wait()
}
