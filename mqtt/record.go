package mqtt

import (
	"context"
	"time"

	"go.uber.org/zap"

	"minigroups/minigroup"
)

const (
	// batchIdle is the pause in the stream of messages that completes a batch. The two room events of one create arrive
	// within it.
	batchIdle = 50 * time.Millisecond
	// batchMaxWait is how long the first message of a batch waits at most.
	batchMaxWait = 200 * time.Millisecond
	// maxBatch is the maximum number of messages per batch.
	maxBatch = receiveMaximum
)

// recordAll records queued messages in batches and acknowledges them. When ctx ends it records one last batch. It runs
// independently of connections: a broker that was killed may have lost messages that are still queued here.
func (r *runner) recordAll(ctx context.Context) {
	defer close(r.recorded)
	grace, cancel := withGrace(ctx)
	defer cancel()
	for last := false; !last; {
		last = ctx.Err() != nil
		batch := nextBatch(ctx, r.queue, r.inFlight())
		if !r.record(ctx, grace, batch) {
			return
		}
		for _, m := range batch {
			m.acknowledge()
		}
	}
}

// nextBatch waits for the next messages and returns them as soon as a batch is complete. With enough messages it takes
// what is queued and waits no longer, because the broker may wait for acknowledgements before it delivers more. After
// ctx has ended it returns what is queued.
func nextBatch(ctx context.Context, queue <-chan message, enough int) (batch []message) {
	var idle, latest <-chan time.Time
	for len(batch) < maxBatch {
		if len(batch) >= enough && len(queue) == 0 {
			return batch
		}
		select {
		case m := <-queue:
			batch = append(batch, m)
			idle = time.After(batchIdle)
			if latest == nil {
				latest = time.After(batchMaxWait)
			}
		case <-idle:
			return batch
		case <-latest:
			return batch
		case <-ctx.Done():
			for len(batch) < maxBatch && len(queue) > 0 {
				batch = append(batch, <-queue)
			}
			return batch
		}
	}
	return batch
}

const (
	ledgerTimeout    = 5 * time.Second
	minLedgerBackoff = 100 * time.Millisecond
	maxLedgerBackoff = 5 * time.Second
)

// record retries until the ledger has committed the batch and reports true, or until grace ends and reports false. When
// ctx ends during a pause, it retries immediately.
func (r *runner) record(ctx, grace context.Context, batch []message) bool {
	events := roomEvents(batch)
	if len(events.Created)+len(events.Closed) == 0 {
		return true
	}
	shutdown := ctx.Done()
	for backoff := minLedgerBackoff; ; backoff = min(2*backoff, maxLedgerBackoff) {
		attempt, cancel := context.WithTimeout(grace, ledgerTimeout)
		ended, err := r.Ledger.RecordRoomEvents(attempt, events)
		cancel()
		if err == nil {
			if ended > 0 {
				r.wakePublisher()
			}
			return true
		}
		r.Log.Warn("recording room events failed, retrying", zap.Int("messages", len(batch)), zap.Error(err))
		select {
		case <-time.After(backoff):
		case <-shutdown:
			shutdown, backoff = nil, minLedgerBackoff
		case <-grace.Done():
		}
		if grace.Err() != nil {
			return false
		}
	}
}

// roomEvents returns the events of a batch that the ledger records.
func roomEvents(batch []message) (events minigroup.RoomEvents) {
	for _, m := range batch {
		if m.created != nil {
			events.Created = append(events.Created, *m.created)
		}
		if m.closed != nil {
			events.Closed = append(events.Closed, *m.closed)
		}
	}
	return events
}
