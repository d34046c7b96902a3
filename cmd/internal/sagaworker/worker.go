// Package sagaworker is the Temporal worker of a process with everything it needs: the activities and their clients,
// the sweeper, and the MQTT connection. The worker hosts it, and the API if api.worker is set.
package sagaworker

import (
	"context"
	"errors"
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

// Worker runs the workflows and activities of one task queue. As a prometheus.Collector it has its own metrics and
// those of the ledger.
type Worker struct {
	telemetry.Group
	temporal  client.Client
	taskQueue string
	options   worker.Options
	// requestTimeout bounds the wait for in-flight requests on shutdown.
	requestTimeout time.Duration
	activities     *activities.Activities
	share          share
	sweeper        *activities.Sweeper
	polls          *process.Polls
	// mqtt is nil if no broker is configured.
	mqtt *mqtt.Options
	log  *zap.Logger
}

// Parts are what a worker shares with the rest of its process.
type Parts struct {
	Store    *storage.Store
	Signer   *auth.Signer
	Temporal client.Client
	// Polls watches the requests of Temporal.
	Polls   *process.Polls
	Starter *workflows.Starter
	// Limits bound the requests to event, conference and the gateways.
	Limits *activities.Limits
	// Transport sends the requests to all other services.
	Transport http.RoundTripper
	Log       *zap.Logger
}

// New makes a worker; Run starts it. labelSuffix is appended to the label of the MQTT client id, so that two programs
// on one host have different sessions at the broker.
func New(cfg config.Config, p Parts, labelSuffix string) (*Worker, error) {
	swept := process.NewSwept()
	w := &Worker{
		temporal: p.Temporal, taskQueue: cfg.Temporal.TaskQueue,
		options: worker.Options{
			WorkerStopTimeout: cfg.Saga.StepWait + time.Second, DeploymentOptions: deploymentOptions(cfg),
		},
		requestTimeout: cfg.Saga.RequestTimeout,
		polls:          p.Polls,
		log:            p.Log,
	}
	w.polls.Stopped(errors.New("the worker has not started yet"))
	w.share = newShare(cfg, p.Store, p.Limits, p.Log.Named("share"))
	var created createdRooms
	events := process.NewEventMetrics()
	if cfg.MQTT.Broker != "" {
		created = ofAudiences(cfg.MQTT.Audiences, events.Created)
	}
	w.activities, w.sweeper = newActivities(cfg, p, created, func(what string, n int) {
		swept.WithLabelValues(what).Add(float64(n))
	})
	w.Group = telemetry.Group{
		swept, process.Ledger{Gauges: p.Store.Gauges}, process.NewInFlight(w.activities.InFlight.Count),
		process.Limits{Stats: p.Limits.Stats}, p.Polls,
	}
	if cfg.MQTT.Broker != "" {
		options, err := mqttOptions(cfg, p.Signer, p.Store, events, labelSuffix, p.Log.Named("mqtt"))
		if err != nil {
			return nil, err
		}
		w.mqtt, w.Group = &options, append(w.Group, events)
	}
	return w, nil
}

// Run works until ctx ends, and then waits for the running activities and for in-flight requests. While Temporal is out
// of reach, or refuses the worker, it retries. Call it once.
func (w *Worker) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if w.mqtt != nil {
		group.Go(func() error { return mqtt.Run(ctx, *w.mqtt) })
	}
	group.Go(func() error {
		w.share.run(ctx)
		return nil
	})
	group.Go(func() error {
		w.poll(ctx)
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.requestTimeout)
		defer cancel()
		w.activities.InFlight.Stop(stopping)
		return nil
	})
	return group.Wait()
}

// restartPause is the pause between the end of a Temporal worker and the start of the next.
const restartPause = time.Second

// poll runs a Temporal worker until ctx ends, and starts another each time that one cannot start or has stopped. The
// SDK stops a worker after two minutes of permanent errors, such as those of a namespace that was deleted.
func (w *Worker) poll(ctx context.Context) {
	for {
		err := w.runOne(ctx)
		if ctx.Err() != nil {
			return
		}
		w.polls.Stopped(err)
		w.log.Warn("the worker does not poll Temporal; starting another", zap.Error(err))
		pause := time.NewTimer(restartPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}

// runOne runs one Temporal worker until ctx ends or the SDK gives it up. It returns why it could not start, or why it
// was given up.
func (w *Worker) runOne(ctx context.Context) error {
	fatal, options := make(chan error, 1), w.options
	options.OnFatalError = func(err error) { fatal <- err }
	one := worker.New(w.temporal, w.taskQueue, options) // a worker cannot be started twice
	workflows.Register(one, w.activities)
	workflows.RegisterSweeper(one, w.sweeper)
	if err := one.Start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	defer one.Stop()
	w.polls.Started()
	w.log.Info("worker started", zap.String("task_queue", w.taskQueue))
	select {
	case err := <-fatal:
		return fmt.Errorf("stopped: %w", err)
	case <-ctx.Done():
		return nil
	}
}

// newActivities makes the activities of the sagas and of the sweeper. created receives the rooms that they create,
// unless it is nil, and count what sweeps have done.
func newActivities(
	cfg config.Config, p Parts, created createdRooms, count func(what string, n int),
) (*activities.Activities, *activities.Sweeper) {
	gateways := activities.LimitedGateways{Limits: p.Limits, Gateways: janus.New(janus.Config{
		AdminSecret: cfg.Janus.AdminSecret.Reveal(),
		AdminKey:    cfg.Janus.AdminKey.Reveal(),
		RoomKey:     cfg.Janus.RoomKey.Reveal(),
	}, p.Transport)}
	lostRoomTimeout := cfg.MQTT.LostRoomTimeout
	if cfg.MQTT.Broker == "" {
		lostRoomTimeout = 0 // without room events, silence says nothing about an attempt
	}
	steps := &activities.Activities{
		Settings: activities.Settings{
			StepWait: cfg.Saga.StepWait, RequestTimeout: cfg.Saga.RequestTimeout,
			Gateways: cfg.Janus.Reservation == config.ReservedByGateway, Group: cfg.Janus.Group,
		},
		Ledger: p.Store,
		Event: activities.LimitedEvent{Limits: p.Limits, Event: observedEvent{
			Event: event.New(cfg.Event.URL, p.Transport, p.Signer.Token), created: created,
		}},
		Conference: activities.LimitedConference{Limits: p.Limits, Conference: observedConference{
			Conference: conference.New(cfg.Conference.URL, p.Transport, p.Signer.Token), created: created,
		}},
		Janus:    gateways,
		Runs:     p.Starter,
		InFlight: activities.NewInFlight(p.Store, p.Starter, p.Log.Named("in_flight")),
		Limits:   p.Limits,
	}
	return steps, &activities.Sweeper{
		Ledger: p.Store, Recovery: p.Starter, Rooms: gateways, Steps: steps,
		Grace: cfg.Saga.Grace, LostRoomTimeout: lostRoomTimeout, Retention: cfg.Retention.History,
		Budget: activities.SweepBudget, Count: count,
	}
}
