package workflows

import (
	"context"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"minigroups/minigroup"
)

// Store holds the rows that a Starter reads and writes besides starting runs.
type Store interface {
	ByID(ctx context.Context, id uuid.UUID) (minigroup.Minigroup, error)
	Read(ctx context.Context, key minigroup.Key) (minigroup.Minigroup, error)
	UpdateRecord(ctx context.Context, id uuid.UUID) (minigroup.UpdateRecord, error)
	AcceptCreate(ctx context.Context, claim minigroup.Claim, r minigroup.CreateRequest) error
	RecordCancel(ctx context.Context, classID uuid.UUID, run string, by minigroup.Requester) error
	AcceptUpdate(ctx context.Context, claim minigroup.Claim, classID, updateID uuid.UUID, c minigroup.Change) error
}

// Starter starts the runs of minigroups and waits for their results.
type Starter struct {
	client      client.Client
	store       Store
	taskQueue   string
	maxAttempts int32
	// eager hands new runs to the worker of this process.
	eager bool
	// pollAfter is how long a waiter relies on the notifier alone before it asks Temporal for the end of its run.
	pollAfter time.Duration
	notifier  notifier
	starts    *startQueue
	health    *temporalHealth

	drain    context.CancelFunc
	draining context.Context //nolint:containedctx // it ends when the process begins to shut down
}

// NewStarter returns a Starter whose sagas retry a step within retryBudget before they fail.
func NewStarter(c client.Client, store Store, taskQueue string, retryBudget time.Duration) *Starter {
	draining, drain := context.WithCancel(context.Background())
	return &Starter{
		client: c, store: store, taskQueue: taskQueue, maxAttempts: attemptsWithin(retryBudget),
		starts: newStartQueue(), health: &temporalHealth{client: c},
		drain: drain, draining: draining,
	}
}

// eagerPollAfter is how long a run in this process is given before Temporal is asked for its end. Most runs end within
// it, and a poll costs Temporal a request.
const eagerPollAfter = 100 * time.Millisecond

// backendTimeout bounds the requests to Temporal and Postgres before and after the wait for a saga. The start of a run
// may take as long as its caller waits, if that is longer.
const backendTimeout = 4 * time.Second

// StartEagerly hands the runs that this Starter starts to the worker in the same process, which must use the same
// client. Call it before any run is started. It ignores which build of the workers is to receive new runs.
func (s *Starter) StartEagerly() { s.eager, s.pollAfter = true, eagerPollAfter }

// Decided notifies the requests in this process that wait for the minigroup: its row shows a decision.
func (s *Starter) Decided(classID uuid.UUID) { s.notifier.publish(classID, nil) }

// Established notifies them of an established minigroup, which spares them reading its row.
func (s *Starter) Established(m minigroup.Minigroup) { s.notifier.publish(m.ID, &m) }

// Drain ends all current and future waits for sagas, because the process is about to end. The sagas continue elsewhere.
// Starts have backendTimeout left. A second call does nothing.
func (s *Starter) Drain() { s.drain() }

// startContext returns the context in which a run is started for a caller that waits until the limit.
func (s *Starter) startContext(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, max(limit, backendTimeout))
	stop := context.AfterFunc(s.draining, func() { time.AfterFunc(backendTimeout, cancel) })
	return ctx, func() {
		stop()
		cancel()
	}
}
