package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"minigroups/e2e/load"
	"minigroups/sandbox/sandboxclient"
)

// closeRoom has conference close the room of a class that is ready and has begun, as it does when the host has gone or the
// room has been open for too long.
func (w *system) closeRoom(rnd *rand.Rand) func(context.Context, time.Duration) error {
	timedOut := rnd.IntN(2) == 0
	return func(ctx context.Context, _ time.Duration) error {
		if !w.sandbox.TryHold() {
			return nil // frozen: it hears nothing
		}
		defer w.sandbox.Release()
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		var class, room uuid.UUID
		err := w.db.QueryRow(ctx, `
			SELECT id, conference_room_id FROM minigroup WHERE state = 'ready' AND closed_at IS NULL AND lower(during) < now()
			ORDER BY random() LIMIT 1`).Scan(&class, &room)
		if err != nil || !w.closings.TryClose(class, load.Closing{TimedOut: timedOut}) {
			return nil // there is none, or Postgres is away
		}
		if sandboxclient.CloseRoom(ctx, w.conference, room, timedOut) == nil {
			w.closings.Set(class, load.Closing{Certain: true, TimedOut: timedOut})
			w.faults.Begin("class "+class.String(), "conference closes a room")()
		}
		return nil
	}
}
