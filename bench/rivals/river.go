package rivals

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	riverqueue "github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"minigroups/minigroup"
)

var river = Rival{
	Name: "river",
	Description: "a queue in Postgres (riverqueue/river): one transaction inserts row and job, one job makes all " +
		"three calls, one transaction updates the row and completes the job; the handler waits for the " +
		"worker in the same process",
	Weakness: "a job that is repeated makes all three calls again; no record per step, no undo; fetches jobs " +
		"every 2 ms (default: 100 ms), and only a worker in the same process notifies the handler",
	start: startRiver,
}

// fetchCooldown is the minimum interval of fetches. With the default of 100 ms, a single job takes that long.
const fetchCooldown = 2 * time.Millisecond

type riverCreator struct {
	Dependencies
	client *riverqueue.Client[pgx.Tx]
	worker *createWorker
}

// createArgs are the arguments of a job.
type createArgs struct {
	Draft minigroup.Draft `json:"draft"`
}

// Kind returns the name of the kind of job.
func (createArgs) Kind() string { return "create" }

// createWorker executes jobs and notifies the requests that wait for them.
type createWorker struct {
	riverqueue.WorkerDefaults[createArgs]
	Dependencies
	waiting sync.Map // chan CreatedRooms, by class id
}

func startRiver(ctx context.Context, m Dependencies) (Creator, error) {
	driver := riverpgxv5.New(m.Pool)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		return nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	worker := &createWorker{Dependencies: m}
	workers := riverqueue.NewWorkers()
	riverqueue.AddWorker(workers, worker)
	client, err := riverqueue.NewClient(driver, &riverqueue.Config{
		Queues:        map[string]riverqueue.QueueConfig{riverqueue.QueueDefault: {MaxWorkers: 100}},
		FetchCooldown: fetchCooldown,
		Workers:       workers,
		Logger:        slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return nil, err
	}
	// The end of this context would stop the client.
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	return riverCreator{m, client, worker}, nil
}

// Create inserts row and job and waits for the worker.
func (c riverCreator) Create(ctx context.Context, d minigroup.Draft) (CreatedRooms, error) {
	done := make(chan CreatedRooms, 1)
	c.worker.waiting.Store(minigroup.NewClassID(d.Audience, d.Scope), done)
	defer c.worker.waiting.Delete(minigroup.NewClassID(d.Audience, d.Scope))
	err := pgx.BeginFunc(ctx, c.Pool, func(tx pgx.Tx) error {
		if err := begin(ctx, tx, d); err != nil {
			return err
		}
		_, err := c.client.InsertTx(ctx, tx, createArgs{d}, nil)
		return err
	})
	if err != nil {
		return CreatedRooms{}, err
	}
	select {
	case rooms := <-done:
		return rooms, nil
	case <-ctx.Done():
		return CreatedRooms{}, ctx.Err()
	}
}

// Close waits for running jobs.
func (c riverCreator) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	_ = c.client.Stop(ctx) // the next process repeats unfinished jobs
}

// Work executes a job.
func (w *createWorker) Work(ctx context.Context, job *riverqueue.Job[createArgs]) error {
	d := job.Args.Draft
	rooms, err := w.Rooms.All(ctx, d)
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		_, err := riverqueue.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return errors.Join(err, establish(ctx, tx, d, rooms))
	})
	if err != nil {
		return err
	}
	w.notify(minigroup.NewClassID(d.Audience, d.Scope), rooms)
	return nil
}

func (w *createWorker) notify(id uuid.UUID, rooms CreatedRooms) {
	if waiting, ok := w.waiting.Load(id); ok {
		done, _ := waiting.(chan CreatedRooms)
		done <- rooms
	}
}
