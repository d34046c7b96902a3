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
	Description: "the textbook use of Temporal: a workflow of five activities, three of them in parallel; the " +
		"handler waits for its result; client and worker in one process, with the SDK's defaults",
	Weakness: "no ledger: a step that is retried after a lost reply creates a second room, and a terminated " +
		"workflow leaves all rooms open; no undo",
	Temporal: true,
	start:    startPlain,
}

const plainQueue = "plain"

type plainCreator struct {
	temporal client.Client
	worker   worker.Worker
}

func startPlain(_ context.Context, m Dependencies) (Creator, error) {
	c, err := client.Dial(client.Options{HostPort: m.Temporal, Logger: discardLogger{}})
	if err != nil {
		return nil, err
	}
	w := worker.New(c, plainQueue, worker.Options{})
	w.RegisterWorkflow(PlainCreate)
	w.RegisterActivity(&PlainActivities{m})
	if err := w.Start(); err != nil {
		c.Close()
		return nil, fmt.Errorf("start worker: %w", err)
	}
	return plainCreator{c, w}, nil
}

// Create starts a workflow and waits for its result.
func (p plainCreator) Create(ctx context.Context, d minigroup.Draft) (rooms CreatedRooms, err error) {
	options := client.StartWorkflowOptions{ID: "plain/" + d.Audience + "/" + d.Scope, TaskQueue: plainQueue}
	run, err := p.temporal.ExecuteWorkflow(ctx, options, PlainCreate, d)
	if err != nil {
		return rooms, err
	}
	return rooms, run.Get(ctx, &rooms)
}

// Close stops the worker.
func (p plainCreator) Close() {
	p.worker.Stop()
	p.temporal.Close()
}

// PlainCreate is the workflow.
func PlainCreate(ctx workflow.Context, d minigroup.Draft) (rooms CreatedRooms, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: stepTimeout})
	var s *PlainActivities
	if err := workflow.ExecuteActivity(ctx, s.Begin, d).Get(ctx, nil); err != nil {
		return rooms, err
	}
	event := workflow.ExecuteActivity(ctx, s.CreateEventRoom, d)
	conference := workflow.ExecuteActivity(ctx, s.CreateConferenceRoom, d)
	janus := workflow.ExecuteActivity(ctx, s.CreateJanusRoom, d)
	if err := event.Get(ctx, &rooms.EventRoom); err != nil {
		return rooms, err
	}
	if err := conference.Get(ctx, &rooms.ConferenceRoom); err != nil {
		return rooms, err
	}
	if err := janus.Get(ctx, nil); err != nil {
		return rooms, err
	}
	return rooms, workflow.ExecuteActivity(ctx, s.Establish, d, rooms).Get(ctx, nil)
}

// PlainActivities are the activities of PlainCreate.
type PlainActivities struct{ Dependencies }

// Begin inserts the row.
func (s *PlainActivities) Begin(ctx context.Context, d minigroup.Draft) error {
	return begin(ctx, s.Pool, d)
}

// CreateEventRoom creates the event room.
func (s *PlainActivities) CreateEventRoom(ctx context.Context, d minigroup.Draft) (uuid.UUID, error) {
	return s.Rooms.Event(ctx, d)
}

// CreateConferenceRoom creates the conference room.
func (s *PlainActivities) CreateConferenceRoom(ctx context.Context, d minigroup.Draft) (uuid.UUID, error) {
	return s.Rooms.Conference(ctx, d)
}

// CreateJanusRoom creates the Janus room.
func (s *PlainActivities) CreateJanusRoom(ctx context.Context, d minigroup.Draft) error {
	return s.Rooms.Janus(ctx, d)
}

// Establish updates the row.
func (s *PlainActivities) Establish(ctx context.Context, d minigroup.Draft, rooms CreatedRooms) error {
	return establish(ctx, s.Pool, d, rooms)
}

// discardLogger discards the log of the Temporal SDK.
type discardLogger struct{}

// Debug implements log.Logger.
func (discardLogger) Debug(string, ...any) {}

// Info implements log.Logger.
func (discardLogger) Info(string, ...any) {}

// Warn implements log.Logger.
func (discardLogger) Warn(string, ...any) {}

// Error implements log.Logger.
func (discardLogger) Error(string, ...any) {}
