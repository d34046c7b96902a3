package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"minigroups/sandbox/sandboxclient"
)

// closings are the classes whose rooms conference has closed by itself.
type closings struct {
	mu  sync.Mutex
	all map[uuid.UUID]*closing
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
	if c.all == nil {
		c.all = map[uuid.UUID]*closing{}
	}
	c.all[class] = &how
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
		if err != nil || w.closings.of(class) != nil {
			return nil // there is none, or Postgres is away
		}
		w.closings.note(class, closing{timedOut: timedOut})
		if sandboxclient.CloseRoom(ctx, w.conference, room, timedOut) == nil {
			w.closings.note(class, closing{true, timedOut})
			w.faults.begin("class "+class.String(), "conference closes a room")()
		}
		return nil
	}
}
