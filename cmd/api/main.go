// Command api answers the REST API: it reads minigroups from Postgres, has sagas started in Temporal, and hands events on to
// event. It may carry out sagas, too, as command worker does. Any number of them may run.
package main

import (
	"context"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"minigroups/clients/event"
	"minigroups/cmd/internal/process"
	"minigroups/cmd/internal/work"
	"minigroups/config"
	"minigroups/httpapi"
	"minigroups/workflows"
)

const (
	// bodyWait is how long the body of a request may take to arrive: 64 KiB over a bad line.
	bodyWait = 10 * time.Second
	// lastAnswers is how long the requests under way are waited for in the end. They do not wait for sagas any more, but for
	// Postgres and Temporal.
	lastAnswers = 20 * time.Second
)

func main() { os.Exit(process.Main("api", run, config.ForAPI...)) }

func run(ctx context.Context, cfg config.Config, signals *process.Signals) error {
	if cfg.API.Worker {
		if err := cfg.Check(config.ForWorker...); err != nil {
			return err
		}
	}
	log, transport, access := signals.Log.Logger, signals.Transport(), newAccessMetrics()
	verifier, err := verifier(ctx, cfg.Authentication, transport, access, log)
	if err != nil {
		return err
	}
	signer, err := process.Signer(cfg.Account)
	if err != nil {
		return err
	}
	authorizer, err := authorizer(cfg, signer, transport, access, log)
	if err != nil {
		return err
	}
	store, err := process.Database(ctx, cfg, signals)
	if err != nil {
		return err
	}
	defer store.Close()
	temporal, err := process.Temporal(cfg.Temporal, signals)
	if err != nil {
		return err
	}
	defer temporal.Close()
	sagas := workflows.NewStarter(temporal, store, cfg.Temporal.TaskQueue, cfg.Saga.RetryBudget)
	defer context.AfterFunc(ctx, sagas.Drain)()
	requests := signals.NewRequests()
	handler := httpapi.New(httpapi.Deps{ //nolint:contextcheck // each request has a context of its own
		Minigroups: store,
		Sagas:      sagas,
		Keys:       store,
		Properties: store,
		Events:     event.New(cfg.Event.URL, transport, signer.Token),
		Verifier:   verifier, Authorizer: authorizer,
		Ready: store.Ready,
		TemporalState: func(ctx context.Context) string {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if _, err := temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
				return "out of reach"
			}
			return "ok"
		},
		BrokerState: broker(cfg.MQTT.Broker),
		Draining:    ctx.Done(),
		Wait:        cfg.API.Wait, MaxWait: config.MaxWait, BodyWait: bodyWait, KeepKeys: cfg.API.IdempotencyKeys,
		AllowedOrigins: cfg.API.AllowedOrigins, WritesPerMinute: cfg.API.WritesPerMinute, MaxConcurrentWrites: cfg.API.MaxConcurrentWrites,
		TurnHosts: cfg.API.TurnHosts, Requests: requests, Log: log,
	})
	group, ctx := errgroup.WithContext(ctx)
	metrics := []prometheus.Collector{requests, access, process.Pool{Stats: store.PoolStats}}
	if cfg.API.Worker {
		worker, err := work.New(cfg, work.Parts{
			Store: store, Signer: signer, Temporal: temporal, Transport: transport, Starter: sagas, Log: log,
		}, "-api")
		if err != nil {
			return err
		}
		if cfg.Worker.BuildID == "" { // otherwise new runs are for the current build, whichever this is
			sagas.StartEagerly()
		}
		metrics = append(metrics, worker)
		group.Go(func() error { return worker.Run(ctx) })
	}
	log.Info("serving", zap.String("address", cfg.API.Listen))
	group.Go(func() error { return process.Serve(ctx, cfg.API.Listen, handler, cfg.API.DrainDelay, lastAnswers) })
	group.Go(func() error { return process.Metrics(ctx, cfg.API.MetricsListen, signals, metrics...) })
	return group.Wait()
}

// broker tells how the broker is that workers listen to.
func broker(address string) func(context.Context) string {
	target, err := url.Parse(address) // config has checked it
	if err != nil || address == "" {
		return func(context.Context) string {
			return "not configured: rooms whose reply was lost are not found, and classes end by their time alone"
		}
	}
	return func(ctx context.Context) string {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", target.Host)
		if err != nil {
			return "out of reach"
		}
		_ = conn.Close() // only whether somebody listens was of interest
		return "ok"
	}
}
