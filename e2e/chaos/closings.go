package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"minigroups/sandbox/sandboxclient"
)

// closings are the classes whose rooms conference has closed by itself. Those that are given new rooms are left alone: whether
// the room that was closed was theirs by then, nobody could tell.
type closings struct {
	mu      sync.Mutex
	all     map[uuid.UUID]*closing
	renewed map[uuid.UUID]bool
}

// closing is what is known of it: that it was tried, and then that it is so.
type closing struct{ sure, timedOut bool }

// of returns what is known of a class; nil where its room was left alone.
func (c *closings) of(class uuid.UUID) *closing {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[class]
}

func (c *closings) note(class uuid.UUID, how closing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[class] = &how
}

// close reports whether the room of a class may be closed, and notes that this is tried.
func (c *closings) close(class uuid.UUID, how closing) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[class] != nil || c.renewed[class] {
		return false
	}
	c.all[class] = &how
	return true
}

// renew reports whether a class may be given new rooms, and notes that this is tried.
func (c *closings) renew(class uuid.UUID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[class] != nil {
		return false
	}
	c.renewed[class] = true
	return true
}

// sure lists the classes that are to be ended.
func (c *closings) sure() (classes []uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for class, how := range c.all {
		if how.sure {
			classes = append(classes, class)
		}
	}
	return classes
}

// hostGone has conference close the room of a class that is ready and has begun, as it does when the host has gone or the
// room has been open for too long.
func (w *world) hostGone(rnd *rand.Rand) func(context.Context, time.Duration) error {
	timedOut := rnd.IntN(2) == 0
	return func(ctx context.Context, _ time.Duration) error {
		if !w.sandbox.mu.TryLock() {
			return nil // frozen: it hears nothing
		}
		defer w.sandbox.mu.Unlock()
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		var class, room uuid.UUID
		err := w.db.QueryRow(ctx, `
			SELECT id, conference_room_id FROM minigroup WHERE state = 'ready' AND closed_at IS NULL AND lower(during) < now()
			ORDER BY random() LIMIT 1`).Scan(&class, &room)
		if err != nil || !w.closings.close(class, closing{timedOut: timedOut}) {
			return nil // there is none, or Postgres is away
		}
		if sandboxclient.CloseRoom(ctx, w.conference, room, timedOut) == nil {
			w.closings.note(class, closing{true, timedOut})
			w.faults.begin("class "+class.String(), "conference closes a room")()
		}
		return nil
	}
}
