package mqtt_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

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
	lastID       int64
	claimedUntil map[int64]time.Time
	failRemovals int // how many times removing published events from the outbox still fails
	failures     int // of publishing
}

func newLedger() *fakeLedger {
	return &fakeLedger{
		created: map[uuid.UUID][]minigroup.AnnouncedRoom{}, closed: map[uuid.UUID][]minigroup.ClosedRoom{},
		claimedUntil: map[int64]time.Time{},
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

func (l *fakeLedger) ClaimOutbox(
	_ context.Context, limit int, lease time.Duration,
) (claimed []minigroup.OutboxEvent, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for i := range l.outbox {
		e := &l.outbox[i]
		if e.ID == 0 {
			l.lastID++
			e.ID = l.lastID
		}
		if len(claimed) < limit && now.After(l.claimedUntil[e.ID]) {
			l.claimedUntil[e.ID] = now.Add(lease)
			claimed = append(claimed, *e)
		}
	}
	return claimed, nil
}

func (l *fakeLedger) SettleOutbox(_ context.Context, o minigroup.OutboxOutcome, pause time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures += len(o.Refused) + len(o.Unpublished)
	if len(o.Published) > 0 && l.failRemovals > 0 {
		l.failRemovals--
		return errors.New("the ledger is unavailable")
	}
	l.outbox = slices.DeleteFunc(l.outbox, func(e minigroup.OutboxEvent) bool {
		return slices.Contains(o.Published, e.ID)
	})
	for _, id := range o.Refused {
		l.claimedUntil[id] = time.Now().Add(pause)
	}
	for _, id := range o.Unpublished {
		delete(l.claimedUntil, id)
	}
	return nil
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
