package mqtt

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"
)

const (
	firstGap = 200 * time.Millisecond
	lastGap  = 10 * time.Second
	// settled is how long we must have listened for the next connection to be tried soon: two processes with the same
	// client id throw each other out at once, and shall not do so in a circle without a pause.
	settled = 5 * time.Second
)

// listener is what all connections of a Run have in common.
type listener struct {
	Options
	queue    chan received
	recorded chan struct{} // closed when nothing more is taken out of the queue
	news     chan struct{} // something was put into the outbox
	poison   poison        // for whoever tells
}

// queueMaximum is how much is kept of what is heard while the ledger is away. Each connection brings the same once more.
const queueMaximum = 4 * receiveMaximum

// Run listens and tells until ctx ends, whatever becomes of the broker and the ledger meanwhile. The error is nil then, or
// says what in the options can never work.
func Run(ctx context.Context, o Options) error {
	if err := o.check(); err != nil {
		return fmt.Errorf("listen to announcements: %w", err)
	}
	l := &listener{Options: o, queue: make(chan received, queueMaximum), recorded: make(chan struct{}), news: make(chan struct{}, 1)}
	go l.takeAll(ctx)
	l.serveAll(ctx)
	<-l.recorded
	return nil
}

// serveAll connects, again and again, until ctx ends.
func (l *listener) serveAll(ctx context.Context) {
	for gap := firstGap; ; gap = min(2*gap, lastGap) {
		listened, err := l.serve(ctx)
		if listened > settled {
			gap = firstGap
		}
		wait := gap/2 + rand.N(gap/2) //nolint:gosec // it only has to differ between workers
		if ctx.Err() == nil {
			l.Log.Warn("announcements are not heard: no connection to the broker", zap.Duration("next_try_in", wait), zap.Error(err))
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// lastWords is how long after the end the ledger may still be told of what was heard, and the broker take a broadcast.
const lastWords = 3 * time.Second

// outlive returns a context that ends lastWords after ctx.
func outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(lastWords, giveUp) })
	return longer, func() {
		stop()
		giveUp()
	}
}
