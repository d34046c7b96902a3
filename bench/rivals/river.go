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
	Does: "a queue in Postgres (riverqueue/river): row and job in one transaction, one job for all three calls, row and end of the " +
		"job in one transaction; the handler waits for its worker in the same process",
	Weakness: "a job that is repeated makes all three calls again, whichever had been answered; no record per step, no undo; " +
		"fetches every 2 ms (stock: 100 ms), and only its own process tells the handler",
	start: startRiver,
}

// fetchCooldown is how soon after a fetch the next may follow; with the stock 100 ms a job alone takes as long.
const fetchCooldown = 2 * time.Millisecond

type riverCreator struct {
	Means
	client *riverqueue.Client[pgx.Tx]
	worker *createWorker
}

// createArgs is a job.
type createArgs struct {
	Draft minigroup.Draft `json:"draft"`
}

// Kind names the job.
func (createArgs) Kind() string { return "create" }

// createWorker carries jobs out, and tells those who wait.
type createWorker struct {
	riverqueue.WorkerDefaults[createArgs]
	Means
	waiting sync.Map // chan Made, by class id
}

func startRiver(ctx context.Context, m Means) (Creator, error) {
	driver := riverpgxv5.New(m.Pool)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		return nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	worker := &createWorker{Means: m}
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
	// Its context is no bound on the start: it would end the client.
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	return riverCreator{m, client, worker}, nil
}

// Create writes row and job, and waits for its worker.
func (c riverCreator) Create(ctx context.Context, d minigroup.Draft) (Made, error) {
	done := make(chan Made, 1)
	c.worker.waiting.Store(minigroup.ClassID(d.Audience, d.Scope), done)
	defer c.worker.waiting.Delete(minigroup.ClassID(d.Audience, d.Scope))
	err := pgx.BeginFunc(ctx, c.Pool, func(tx pgx.Tx) error {
		if err := begin(ctx, tx, d); err != nil {
			return err
		}
		_, err := c.client.InsertTx(ctx, tx, createArgs{d}, nil)
		return err
	})
	if err != nil {
		return Made{}, err
	}
	select {
	case made := <-done:
		return made, nil
	case <-ctx.Done():
		return Made{}, ctx.Err()
	}
}

// Close lets the jobs under way end.
func (c riverCreator) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), stepLimit)
	defer cancel()
	_ = c.client.Stop(ctx) // what is not done is repeated by the next process
}

// Work carries one job out.
func (w *createWorker) Work(ctx context.Context, job *riverqueue.Job[createArgs]) error {
	d := job.Args.Draft
	made, err := w.Rooms.All(ctx, d)
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		_, err := riverqueue.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return errors.Join(err, establish(ctx, tx, d, made))
	})
	if err != nil {
		return err
	}
	w.tell(minigroup.ClassID(d.Audience, d.Scope), made)
	return nil
}

func (w *createWorker) tell(id uuid.UUID, made Made) {
	if waiting, ok := w.waiting.Load(id); ok {
		done, _ := waiting.(chan Made)
		done <- made
	}
}
