package mqtt

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"
)

const (
	minBackoff = 200 * time.Millisecond
	maxBackoff = 10 * time.Second
	// stableAfter is how long a connection must last to reset the backoff. Two processes with the same client id
	// disconnect each other as soon as they connect; without this they would reconnect without a pause.
	stableAfter = 5 * time.Second
)

// maxQueued bounds the messages that are kept in memory while the ledger is unavailable. After each reconnection the
// broker redelivers the same unacknowledged messages, so several copies may be queued.
const maxQueued = 4 * receiveMaximum

// runner is the state of one Run, shared by its successive connections.
type runner struct {
	Options
	queue    chan message  // received and not recorded yet
	recorded chan struct{} // closed after the last batch is recorded
	wakeups  chan struct{} // signals that an event was put into the outbox
	poison   poisonDetector
}

// Run receives and publishes events until ctx ends, and retries while the broker or the ledger is unavailable. It
// returns nil, or an error immediately if the options are invalid.
func Run(ctx context.Context, o Options) error {
	if err := o.check(); err != nil {
		return fmt.Errorf("mqtt options: %w", err)
	}
	r := newRunner(o, maxQueued)
	go r.recordAll(ctx)
	r.connectAll(ctx)
	<-r.recorded
	return nil
}

func newRunner(o Options, queue int) *runner {
	return &runner{
		Options: o,
		queue:   make(chan message, queue), recorded: make(chan struct{}), wakeups: make(chan struct{}, 1),
	}
}

// connectAll connects to the broker, and reconnects with backoff, until ctx ends.
func (r *runner) connectAll(ctx context.Context) {
	for backoff := minBackoff; ; backoff = min(2*backoff, maxBackoff) {
		lasted, err := r.runConnection(ctx)
		if lasted > stableAfter {
			backoff = minBackoff
		}
		pause := backoff/2 + rand.N(backoff/2) //nolint:gosec // it only has to differ between workers
		if ctx.Err() == nil {
			r.Log.Warn("not connected to the MQTT broker, room events are not received",
				zap.Duration("retry_in", pause), zap.Error(err))
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// shutdownGrace is how long after the end of Run's context the last batch may be recorded and the current event be
// published.
const shutdownGrace = 3 * time.Second

// withGrace returns a context that ends shutdownGrace after ctx, or when the returned function is called.
func withGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	grace, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(shutdownGrace, cancel) })
	return grace, func() {
		stop()
		cancel()
	}
}
