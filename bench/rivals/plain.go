package rivals

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"minigroups/minigroup"
)

var plain = Rival{
	Name: "plain",
	Does: "the textbook way of Temporal: a workflow of five activities, three of them at the same time, whose result the handler waits for; " +
		"client and worker in one process, the SDK's defaults",
	Weakness: "no ledger: a step that is retried after a lost reply makes a second room, nothing is undone, a run that is " +
		"terminated leaves everything open",
	Temporal: true,
	start:    startPlain,
}

const plainQueue = "plain"

type plainCreator struct {
	temporal client.Client
	worker   worker.Worker
}

func startPlain(_ context.Context, m Means) (Creator, error) {
	c, err := client.Dial(client.Options{HostPort: m.Temporal, Logger: quiet{}})
	if err != nil {
		return nil, err
	}
	w := worker.New(c, plainQueue, worker.Options{})
	w.RegisterWorkflow(CreatePlainly)
	w.RegisterActivity(&Steps{m})
	if err := w.Start(); err != nil {
		c.Close()
		return nil, fmt.Errorf("start worker: %w", err)
	}
	return plainCreator{c, w}, nil
}

// Create starts a run and waits for its result.
func (p plainCreator) Create(ctx context.Context, d minigroup.Draft) (made Made, err error) {
	run, err := p.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "plain/" + d.Audience + "/" + d.Scope, TaskQueue: plainQueue}, CreatePlainly, d)
	if err != nil {
		return made, err
	}
	return made, run.Get(ctx, &made)
}

// Close ends the worker.
func (p plainCreator) Close() {
	p.worker.Stop()
	p.temporal.Close()
}

// CreatePlainly is the workflow.
func CreatePlainly(ctx workflow.Context, d minigroup.Draft) (made Made, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: stepLimit})
	var s *Steps
	if err := workflow.ExecuteActivity(ctx, s.Begin, d).Get(ctx, nil); err != nil {
		return made, err
	}
	event := workflow.ExecuteActivity(ctx, s.MakeEventRoom, d)
	conference := workflow.ExecuteActivity(ctx, s.MakeConferenceRoom, d)
	janus := workflow.ExecuteActivity(ctx, s.MakeJanusRoom, d)
	if err := event.Get(ctx, &made.EventRoom); err != nil {
		return made, err
	}
	if err := conference.Get(ctx, &made.ConferenceRoom); err != nil {
		return made, err
	}
	if err := janus.Get(ctx, nil); err != nil {
		return made, err
	}
	return made, workflow.ExecuteActivity(ctx, s.Establish, d, made).Get(ctx, nil)
}

// Steps are its activities.
type Steps struct{ Means }

// Begin writes the row.
func (s *Steps) Begin(ctx context.Context, d minigroup.Draft) error { return begin(ctx, s.Pool, d) }

// MakeEventRoom makes the event room.
func (s *Steps) MakeEventRoom(ctx context.Context, d minigroup.Draft) (uuid.UUID, error) {
	return s.Rooms.Event(ctx, d)
}

// MakeConferenceRoom makes the conference room.
func (s *Steps) MakeConferenceRoom(ctx context.Context, d minigroup.Draft) (uuid.UUID, error) {
	return s.Rooms.Conference(ctx, d)
}

// MakeJanusRoom makes the Janus room.
func (s *Steps) MakeJanusRoom(ctx context.Context, d minigroup.Draft) error {
	return s.Rooms.Janus(ctx, d)
}

// Establish writes the row again.
func (s *Steps) Establish(ctx context.Context, d minigroup.Draft, made Made) error {
	return establish(ctx, s.Pool, d, made)
}

// quiet drops what the Temporal SDK has to say.
type quiet struct{}

// Debug drops it.
func (quiet) Debug(string, ...any) {}

// Info drops it.
func (quiet) Info(string, ...any) {}

// Warn drops it.
func (quiet) Warn(string, ...any) {}

// Error drops it.
func (quiet) Error(string, ...any) {}
