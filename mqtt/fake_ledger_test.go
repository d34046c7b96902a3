package mqtt_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// fakeLedger is a ledger in memory that can fail.
type fakeLedger struct {
	mu           sync.Mutex
	unavailable  bool          // each attempt to record fails
	gate         chan struct{} // each attempt to record waits until it is closed; nil is open
	attempts     int           // to record
	commits      int           // of recorded batches
	created      map[uuid.UUID][]minigroup.AnnouncedRoom
	closed       map[uuid.UUID][]minigroup.ClosedRoom
	endsClasses  bool // each closed room ends a class, whose event is put into the outbox
	outbox       []minigroup.OutboxEvent
	failRemovals int // how many times removing published events from the outbox still fails
	failures     int // of publishing
}

func newLedger() *fakeLedger {
	return &fakeLedger{
		created: map[uuid.UUID][]minigroup.AnnouncedRoom{}, closed: map[uuid.UUID][]minigroup.ClosedRoom{},
	}
}

func (l *fakeLedger) RecordRoomEvents(ctx context.Context, events minigroup.RoomEvents) (ended int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts++
	if gate := l.gate; gate != nil {
		l.mu.Unlock()
		select {
		case <-gate:
		case <-ctx.Done():
		}
		l.mu.Lock()
	}
	if l.unavailable || ctx.Err() != nil {
		return 0, errors.Join(errors.New("the ledger is unavailable"), ctx.Err())
	}
	l.commits++
	for _, r := range events.Created {
		l.created[r.ID] = append(l.created[r.ID], r)
	}
	for _, r := range events.Closed {
		l.closed[r.ID] = append(l.closed[r.ID], r)
		if l.endsClasses {
			ended++
			l.outbox = append(l.outbox, stopEvent(r.Audience, r.ClassID.String()))
		}
	}
	return ended, nil
}

func (l *fakeLedger) PublishOutbox(
	ctx context.Context, limit int, publish func(context.Context, minigroup.OutboxEvent) error,
) (int, error) {
	l.mu.Lock()
	oldest := append([]minigroup.OutboxEvent{}, l.outbox[:min(limit, len(l.outbox))]...)
	l.mu.Unlock()
	published := map[int]bool{}
	for i, e := range oldest {
		published[i] = publish(ctx, e) == nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	remaining := []minigroup.OutboxEvent{}
	for i, e := range l.outbox {
		if !published[i] {
			remaining = append(remaining, e)
		}
	}
	n := len(l.outbox) - len(remaining)
	l.failures += len(oldest) - n
	if n > 0 && l.failRemovals > 0 {
		l.failRemovals--
		return 0, errors.New("the ledger is unavailable")
	}
	l.outbox = remaining
	return n, nil
}

// update calls f while holding the lock.
func (l *fakeLedger) update(f func(*fakeLedger)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l)
}

// count returns how many events of a room are recorded.
func (l *fakeLedger) count(id uuid.UUID) (n int) {
	l.update(func(l *fakeLedger) { n = len(l.created[id]) + len(l.closed[id]) })
	return n
}

// has reports whether an event of each room is recorded.
func (l *fakeLedger) has(ids ...uuid.UUID) bool {
	for _, id := range ids {
		if l.count(id) == 0 {
			return false
		}
	}
	return true
}

func (l *fakeLedger) outboxLen() (n int) {
	l.update(func(l *fakeLedger) { n = len(l.outbox) })
	return n
}

func (l *fakeLedger) failureCount() (n int) {
	l.update(func(l *fakeLedger) { n = l.failures })
	return n
}

func (l *fakeLedger) attemptCount() (n int) {
	l.update(func(l *fakeLedger) { n = l.attempts })
	return n
}

// stopEvent is the event of an ended class.
func stopEvent(audience, class string) minigroup.OutboxEvent {
	return minigroup.OutboxEvent{
		Audience: audience, Label: "minigroup.stop", Payload: json.RawMessage(`{"id":"` + class + `"}`),
	}
}
