package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"minigroups/e2e/linearizability"
	"minigroups/e2e/load"
	"minigroups/sandbox/sandboxclient"
)

// closeRoom makes conference close the room of a ready class that has begun, as it does when the host leaves or the
// room has been open for too long.
func (s *system) closeRoom(rnd *rand.Rand) func(context.Context, time.Duration) error {
	timedOut := rnd.IntN(2) == 0
	return func(ctx context.Context, _ time.Duration) error {
		if !s.sandbox.TryHold() {
			return nil // conference is frozen
		}
		defer s.sandbox.Release()
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		var class, room uuid.UUID
		err := s.db.QueryRow(ctx, `
			SELECT id, conference_room_id FROM minigroup WHERE state = 'ready' AND closed_at IS NULL AND lower(during) < now()
			ORDER BY random() LIMIT 1`).Scan(&class, &room)
		if err != nil || !s.closings.TryClose(class, load.Closing{TimedOut: timedOut}) {
			return nil // there is no such class, or Postgres is down
		}
		s.history.others(linearizability.CloseRoom, class)
		if sandboxclient.CloseRoom(ctx, s.conference, room, timedOut) == nil {
			s.closings.Set(class, load.Closing{Certain: true, TimedOut: timedOut})
			s.faults.Begin("class "+class.String(), "conference closes a room")()
		}
		return nil
	}
}
