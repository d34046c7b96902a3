package workflows

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"minigroups/limiter"
)

const (
	// maxConcurrentStarts bounds the sagas that this process is starting, or has started within the last firstSteps and is
	// waiting for. Temporal carries out few sagas fast, and many slowly and in the order in which they came: then an
	// audience with many would make all others wait.
	maxConcurrentStarts = 6
	// firstSteps is how long a saga counts after its start. One that takes longer waits for a service.
	firstSteps = 500 * time.Millisecond
	// maxWaitingStarts bounds the starts of one audience that wait for their turn.
	maxWaitingStarts = 1000
)

// errNotSent says that a request was not sent, because others were in its way for the whole time.
var errNotSent = errors.New("not sent: too many runs are being started")

// startQueue makes the starts of sagas take turns, fairly to audiences.
type startQueue struct {
	limiter *limiter.Limiter

	mu sync.Mutex
	// away ends when a start finds Temporal out of reach.
	away context.Context //nolint:containedctx // it is for the starts that wait now
	fail context.CancelFunc
}

func newStartQueue() *startQueue {
	q := &startQueue{limiter: limiter.New(maxConcurrentStarts, maxWaitingStarts)}
	q.away, q.fail = context.WithCancel(context.Background())
	return q
}

// do calls start when it is its turn. While it waits it fails with errAway as soon as another start does, and with
// errNotSent when ctx ends. The turn of a start that succeeds ends after firstSteps, or earlier when end is called.
func (q *startQueue) do(ctx context.Context, audience string, start func() error) (end func(), err error) {
	permit, err := q.wait(ctx, audience)
	if err != nil {
		return nil, err
	}
	if err := start(); err != nil {
		permit.Release()
		if isAway(err) {
			q.failWaiting()
		}
		return nil, err
	}
	timer := time.AfterFunc(firstSteps, permit.Release)
	return func() {
		timer.Stop()
		permit.Release()
	}, nil
}

func (q *startQueue) wait(ctx context.Context, audience string) (*limiter.Permit, error) {
	q.mu.Lock()
	away := q.away
	q.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(away, func() { cancel(errAway) })() //nolint:contextcheck // away is none of the caller's
	permit, err := q.limiter.Acquire(ctx, limiter.Request{Audience: audience})
	switch {
	case err == nil:
		return permit, nil
	case errors.Is(context.Cause(ctx), errAway):
		return nil, fmt.Errorf("%w: %w", errAway, errNotSent)
	default:
		return nil, errNotSent
	}
}

// failWaiting makes all starts that wait now fail with errAway.
func (q *startQueue) failWaiting() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fail()
	q.away, q.fail = context.WithCancel(context.Background())
}
