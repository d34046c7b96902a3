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
	Does: "durable workflows in Postgres (dbos-inc/dbos-transact-golang): a step per call, three of them at the same time, the rows " +
		"written in the transactions that record their steps; it runs in the process of the handler, which waits for it",
	Weakness: "a step that is repeated after a lost reply makes a second room, nothing is undone; what a process has left is taken up " +
		"by that process alone, unless their paid service is there to tell another",
	start: startDBOS,
}

type dbosCreator struct {
	Means
	dbos dbos.Context
	rows *dbos.DataSource
}

func startDBOS(ctx context.Context, m Means) (Creator, error) {
	c := &dbosCreator{Means: m}
	var err error
	c.dbos, err = dbos.NewContext(context.WithoutCancel(ctx), dbos.Config{
		AppName: "bench", SystemDBPool: m.Pool, ApplicationVersion: "1", Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return nil, fmt.Errorf("make context: %w", err)
	}
	if c.rows, err = dbos.NewDataSource(c.dbos, m.Pool); err != nil {
		return nil, fmt.Errorf("make data source: %w", err)
	}
	dbos.RegisterWorkflow(c.dbos, c.create, dbos.WithWorkflowName("create"))
	if err := dbos.Launch(c.dbos); err != nil {
		return nil, fmt.Errorf("launch: %w", err)
	}
	return c, nil
}

// Create starts a workflow and waits for its result.
func (c *dbosCreator) Create(_ context.Context, d minigroup.Draft) (Made, error) {
	handle, err := dbos.RunWorkflow(c.dbos, c.create, d, dbos.WithWorkflowID(minigroup.ClassID(d.Audience, d.Scope).String()))
	if err != nil {
		return Made{}, err
	}
	return handle.GetResult(dbos.WithHandleTimeout(stepLimit))
}

// Close lets the workflows under way end.
func (c *dbosCreator) Close() { _ = dbos.Shutdown(c.dbos, stepLimit) }

// create is the workflow.
func (c *dbosCreator) create(ctx dbos.Context, d minigroup.Draft) (made Made, err error) {
	if err := c.write(ctx, beginSQL, beginArgs(d)...); err != nil {
		return made, err
	}
	event, err := dbos.Go(ctx, func(ctx context.Context) (uuid.UUID, error) { return c.Rooms.Event(ctx, d) })
	if err != nil {
		return made, err
	}
	conference, err := dbos.Go(ctx, func(ctx context.Context) (uuid.UUID, error) { return c.Rooms.Conference(ctx, d) })
	if err != nil {
		return made, err
	}
	janus, err := dbos.Go(ctx, func(ctx context.Context) (bool, error) { return true, c.Rooms.Janus(ctx, d) })
	if err != nil {
		return made, err
	}
	first, second, third := <-event, <-conference, <-janus
	for _, err := range []error{first.Err, second.Err, third.Err} {
		if err != nil {
			return made, err
		}
	}
	made = Made{first.Result, second.Result}
	return made, c.write(ctx, establishSQL, establishArgs(d, made)...)
}

// write is a step of one statement, recorded in its transaction.
func (c *dbosCreator) write(ctx dbos.Context, sql string, args ...any) error {
	_, err := dbos.RunAsTransaction(ctx, c.rows, func(ctx context.Context, tx dbos.Tx) (bool, error) {
		_, err := tx.Exec(ctx, sql, args...)
		return err == nil, err
	})
	return err
}
