package rivals

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	"github.com/google/uuid"

	"minigroups/minigroup"
)

var dbosRival = Rival{
	Name: "dbos",
	Description: "durable workflows in Postgres (dbos-inc/dbos-transact-golang): one step per call, three of them " +
		"in parallel; the transaction that records a step also writes its row; the handler waits for the " +
		"workflow, which runs in the same process",
	Weakness: "a step that is repeated after a lost reply creates a second room; no undo; only the same process " +
		"continues a workflow after a restart, without their paid service",
	start: startDBOS,
}

type dbosCreator struct {
	Dependencies
	dbos dbos.Context
	rows *dbos.DataSource
}

func startDBOS(ctx context.Context, m Dependencies) (Creator, error) {
	c := &dbosCreator{Dependencies: m}
	var err error
	c.dbos, err = dbos.NewContext(context.WithoutCancel(ctx), dbos.Config{
		AppName: "bench", SystemDBPool: m.Pool, ApplicationVersion: "1",
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return nil, fmt.Errorf("create context: %w", err)
	}
	if c.rows, err = dbos.NewDataSource(c.dbos, m.Pool); err != nil {
		return nil, fmt.Errorf("create data source: %w", err)
	}
	dbos.RegisterWorkflow(c.dbos, c.create, dbos.WithWorkflowName("create"))
	if err := dbos.Launch(c.dbos); err != nil {
		return nil, fmt.Errorf("launch: %w", err)
	}
	return c, nil
}

// Create starts a workflow and waits for its result.
func (c *dbosCreator) Create(_ context.Context, d minigroup.Draft) (CreatedRooms, error) {
	id := minigroup.NewClassID(d.Audience, d.Scope).String()
	handle, err := dbos.RunWorkflow(c.dbos, c.create, d, dbos.WithWorkflowID(id))
	if err != nil {
		return CreatedRooms{}, err
	}
	return handle.GetResult(dbos.WithHandleTimeout(stepTimeout))
}

// Close waits for running workflows.
func (c *dbosCreator) Close() { _ = dbos.Shutdown(c.dbos, stepTimeout) }

// create is the workflow.
func (c *dbosCreator) create(ctx dbos.Context, d minigroup.Draft) (rooms CreatedRooms, err error) {
	if err := c.write(ctx, beginSQL, beginArgs(d)...); err != nil {
		return rooms, err
	}
	event, err := dbos.Go(ctx, func(ctx context.Context) (uuid.UUID, error) { return c.Rooms.Event(ctx, d) })
	if err != nil {
		return rooms, err
	}
	conference, err := dbos.Go(ctx, func(ctx context.Context) (uuid.UUID, error) { return c.Rooms.Conference(ctx, d) })
	if err != nil {
		return rooms, err
	}
	janus, err := dbos.Go(ctx, func(ctx context.Context) (bool, error) { return true, c.Rooms.Janus(ctx, d) })
	if err != nil {
		return rooms, err
	}
	first, second, third := <-event, <-conference, <-janus
	for _, err := range []error{first.Err, second.Err, third.Err} {
		if err != nil {
			return rooms, err
		}
	}
	rooms = CreatedRooms{first.Result, second.Result}
	return rooms, c.write(ctx, establishSQL, establishArgs(d, rooms)...)
}

// write is a step with one statement, whose transaction also records the step.
func (c *dbosCreator) write(ctx dbos.Context, sql string, args ...any) error {
	_, err := dbos.RunAsTransaction(ctx, c.rows, func(ctx context.Context, tx dbos.Tx) (bool, error) {
		_, err := tx.Exec(ctx, sql, args...)
		return err == nil, err
	})
	return err
}
