package mqtt

import (
	"context"
	"time"

	"go.uber.org/zap"

	"minigroups/minigroup"
)

const (
	// quietFor is how long nothing must have come for a batch to be whole: a create alone is announced twice within it.
	quietFor = 50 * time.Millisecond
	// gatherFor is how long the first of a batch waits at most.
	gatherFor = 200 * time.Millisecond
	// batchMaximum is as much as the broker sends before it wants an acknowledgement: more does not come by waiting.
	batchMaximum = receiveMaximum
)

// takeAll brings what is heard into the ledger, batch by batch, and acknowledges it. When ctx ends it does so once more.
// Connections come and go meanwhile: a broker that was killed may have forgotten what it has sent.
func (l *listener) takeAll(ctx context.Context) {
	defer close(l.recorded)
	longer, giveUp := outlive(ctx)
	defer giveUp()
	for last := false; !last; {
		last = ctx.Err() != nil
		batch := gather(ctx, l.queue)
		if !l.take(ctx, longer, batch) {
			return
		}
		for _, h := range batch {
			h.acknowledge()
		}
	}
}

// gather returns what is heard next, after waiting a little for more. Once ctx has ended it returns what is there.
func gather(ctx context.Context, queue <-chan received) (batch []received) {
	var quiet, latest <-chan time.Time
	for len(batch) < batchMaximum {
		select {
		case h := <-queue:
			batch = append(batch, h)
			quiet = time.After(quietFor)
			if latest == nil {
				latest = time.After(gatherFor)
			}
		case <-quiet:
			return batch
		case <-latest:
			return batch
		case <-ctx.Done():
			for len(batch) < batchMaximum && len(queue) > 0 {
				batch = append(batch, <-queue)
			}
			return batch
		}
	}
	return batch
}

const (
	ledgerTry      = 5 * time.Second
	firstLedgerGap = 100 * time.Millisecond
	lastLedgerGap  = 5 * time.Second
)

// take repeats a batch until the ledger has committed it, or longer ends; then it reports false. When ctx ends, it does
// not wait out its pause.
func (l *listener) take(ctx, longer context.Context, batch []received) bool {
	announcements := sum(batch)
	if len(announcements.Created)+len(announcements.Closed) == 0 {
		return true
	}
	hurry := ctx.Done()
	for gap := firstLedgerGap; ; gap = min(2*gap, lastLedgerGap) {
		try, cancel := context.WithTimeout(longer, ledgerTry)
		ended, err := l.Ledger.RecordRoomEvents(try, announcements)
		cancel()
		if err == nil {
			if ended > 0 {
				l.wake()
			}
			return true
		}
		l.Log.Warn("the ledger does not take announcements yet", zap.Int("messages", len(batch)), zap.Error(err))
		select {
		case <-time.After(gap):
		case <-hurry:
			hurry, gap = nil, firstLedgerGap
		case <-longer.Done():
		}
		if longer.Err() != nil {
			return false
		}
	}
}

// sum is what of a batch is for the ledger.
func sum(batch []received) (all minigroup.RoomEvents) {
	for _, h := range batch {
		if h.room != nil {
			all.Created = append(all.Created, *h.room)
		}
		if h.closed != nil {
			all.Closed = append(all.Closed, *h.closed)
		}
	}
	return all
}
