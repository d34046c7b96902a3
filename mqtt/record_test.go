package mqtt

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"minigroups/minigroup"
)

// createdMessage is a message about a created room.
func createdMessage() message { return message{event: event{created: &minigroup.AnnouncedRoom{}}} }

func TestNextBatch(t *testing.T) {
	t.Run("consecutive messages are one batch, completed by a pause", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			queue := make(chan message, 10)
			began := time.Now()
			go func() {
				for range 3 {
					time.Sleep(batchIdle - time.Millisecond)
					queue <- message{}
				}
			}()
			batch := nextBatch(t.Context(), queue, maxBatch)
			if waited := time.Since(began); len(batch) != 3 || waited != 4*batchIdle-3*time.Millisecond {
				t.Errorf("%d messages after %v", len(batch), waited)
			}
		})
	})

	t.Run("without a pause the first message waits at most batchMaxWait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			queue := make(chan message)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				for {
					select {
					case queue <- message{}:
						time.Sleep(batchIdle / 2)
					case <-ctx.Done():
						return
					}
				}
			}()
			began := time.Now()
			batch := nextBatch(ctx, queue, maxBatch)
			if waited := time.Since(began); len(batch) < int(2*batchMaxWait/batchIdle) || waited != batchMaxWait {
				t.Errorf("%d messages after %v", len(batch), waited)
			}
		})
	})

	t.Run("a full batch does not wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			queue := make(chan message, 2*maxBatch)
			for range maxBatch + 1 {
				queue <- message{}
			}
			began := time.Now()
			batch := nextBatch(t.Context(), queue, maxBatch)
			if waited := time.Since(began); len(batch) != maxBatch || len(queue) != 1 || waited != 0 {
				t.Errorf("%d messages after %v, %d left", len(batch), waited, len(queue))
			}
		})
	})

	t.Run("enough messages are a batch with all that are queued, and do not wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			queue := make(chan message, maxBatch)
			for range 30 {
				queue <- message{}
			}
			began := time.Now()
			batch := nextBatch(t.Context(), queue, defaultInFlight)
			if waited := time.Since(began); len(batch) != 30 || waited != 0 {
				t.Errorf("%d messages after %v", len(batch), waited)
			}
		})
	})

	t.Run("after the context has ended, the queued messages are the last batch", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			queue := make(chan message, 10)
			queue <- message{}
			queue <- message{}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			began := time.Now()
			if batch := nextBatch(ctx, queue, maxBatch); len(batch) != 2 || time.Since(began) != 0 {
				t.Errorf("%d messages after %v", len(batch), time.Since(began))
			}
			if batch := nextBatch(ctx, queue, maxBatch); len(batch) != 0 {
				t.Errorf("%d messages", len(batch))
			}
		})
	})
}

// failingLedger fails, or hangs, until a point in time. Each batch that it records afterwards ends a class.
type failingLedger struct {
	until time.Time
	hangs bool
	calls []time.Time
}

func (l *failingLedger) RecordRoomEvents(ctx context.Context, _ minigroup.RoomEvents) (int, error) {
	l.calls = append(l.calls, time.Now())
	if l.hangs {
		<-ctx.Done()
	}
	if time.Now().Before(l.until) {
		return 0, errors.New("unavailable")
	}
	return 1, nil
}

func (l *failingLedger) ClaimOutbox(context.Context, int, time.Duration) ([]minigroup.OutboxEvent, error) {
	l.calls = append(l.calls, time.Now())
	return nil, nil
}

func (l *failingLedger) SettleOutbox(context.Context, minigroup.OutboxOutcome, time.Duration) error {
	return nil
}

func newTestRunner(ledger Ledger, queue int) *runner {
	return newRunner(Options{
		Ledger: ledger, Observer: nopObserver{}, Log: zap.NewNop(),
		Event: testAccounts.event, Conference: testAccounts.conference,
	}, queue)
}

type nopObserver struct{}

func (nopObserver) Connected(bool)                 {}
func (nopObserver) Received(string, time.Duration) {}
func (nopObserver) Dropped(string)                 {}
func (nopObserver) Published(string)               {}

func TestRecord(t *testing.T) {
	t.Run("retries with backoff and without a limit, and wakes the publisher for an ended class", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ledger := &failingLedger{until: time.Now().Add(time.Hour)}
			r := newTestRunner(ledger, 1)
			if !r.record(t.Context(), t.Context(), []message{createdMessage()}) {
				t.Error("not recorded")
			}
			if n := len(ledger.calls); n < 700 || n > 750 || len(r.wakeups) != 1 {
				t.Errorf("%d attempts in an hour, %d wake-ups", n, len(r.wakeups))
			}
		})
	})

	t.Run("retries after the ledger has hung", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ledger := &failingLedger{until: time.Now().Add(time.Minute), hangs: true}
			recorded := newTestRunner(ledger, 1).record(t.Context(), t.Context(), []message{createdMessage()})
			if !recorded || len(ledger.calls) < 5 {
				t.Errorf("recorded: %v, %d attempts", recorded, len(ledger.calls))
			}
		})
	})

	t.Run("retries immediately when the context ends, and gives up after the grace period", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ledger := &failingLedger{until: time.Now().Add(time.Hour)}
			r := newTestRunner(ledger, 1)
			r.queue <- createdMessage()
			ctx, cancel := context.WithCancel(t.Context())
			go r.recordAll(ctx)
			time.Sleep(time.Minute)
			synctest.Wait()
			end, before := time.Now(), len(ledger.calls)
			cancel()
			<-r.recorded
			calls := ledger.calls[before:]
			if took := time.Since(end); took != shutdownGrace || len(calls) < 3 || calls[0] != end {
				t.Errorf("took %v, attempts at %v", took, calls)
			}
		})
	})
}

func TestOutboxPolling(t *testing.T) {
	t.Run("the outbox is read at the start, every pollInterval and at each wake-up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ledger := &failingLedger{}
			c := &connection{runner: newTestRunner(ledger, 1)}
			ctx, cancel := context.WithCancel(t.Context())
			began, done := time.Now(), make(chan struct{})
			go func() {
				defer close(done)
				c.publishAll(ctx)
			}()
			time.Sleep(2*pollInterval + time.Millisecond)
			c.wakePublisher()
			synctest.Wait()
			cancel()
			<-done
			wakeUp := 2*pollInterval + time.Millisecond
			for i, after := range []time.Duration{0, pollInterval, 2 * pollInterval, wakeUp} {
				if len(ledger.calls) != 4 || ledger.calls[i].Sub(began) != after {
					t.Fatalf("read at %v, want one read %v after %v", ledger.calls, after, began)
				}
			}
		})
	})
}
