package storage

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/stored"
)

// Triggers of the schema write the history of a class. The statements here write what no trigger can know: what
// operators do, and what is asked of Temporal.

// History lists at most limit entries of the history of a class, the latest first: those with a number less than
// before, or, if that is 0, the last ones.
func (s *Store) History(
	ctx context.Context, classID uuid.UUID, before int64, limit int,
) ([]minigroup.HistoryEntry, error) {
	scan := func(row pgx.CollectableRow) (e minigroup.HistoryEntry, err error) {
		var by *stored.Requester
		err = row.Scan(&e.Number, &e.Kind, &e.At, &by, &e.Run, (*[]byte)(&e.Details), &e.Erased)
		e.By = by.Requester()
		return e, err
	}
	return list(ctx, s.reads, "list history", scan, `
		SELECT number, kind, at, by_whom, run, details, erased FROM minigroup_history
		WHERE class_id = $1 AND ($2 = 0 OR number < $2) ORDER BY number DESC LIMIT $3`, classID, before, limit)
}

// addCancel adds to the history of the class $1 that $3 has asked for a cancel of its run $2, once for each run.
const addCancel = `
	SELECT add_history('cancel_requested', $1, $2, $3, '{}') WHERE NOT EXISTS (
		SELECT FROM minigroup_history WHERE class_id = $1 AND kind = 'cancel_requested' AND run = $2)`

// RecordCancel records who has asked for a cancel of a run. Called twice for a run, the first one stays.
func (s *Store) RecordCancel(ctx context.Context, classID uuid.UUID, run string, by minigroup.Requester) error {
	return s.exec(ctx, "record cancel", addCancel, classID, run, stored.NewRequester(by))
}

// actAs makes $1 the requester of everything that the transaction adds to the history.
const actAs = `SELECT set_config('minigroups.actor', $1, true)`

// actor is the argument of actAs.
func actor(by minigroup.Requester) (string, error) {
	text, err := json.Marshal(stored.NewRequester(by))
	if err != nil {
		return "", fmt.Errorf("encode requester: %w", err)
	}
	return string(text), nil
}

// addForcedRoomRelease and addForcedSlotsRelease add to the history that $2 lets the room or the reservation $1 count
// as released.
const (
	addForcedRoomRelease = `
		SELECT add_history('room_released', class_id, '', $2, jsonb_build_object('service', kind, 'room_id', room_id))
		FROM (` + roomsPendingClose + ` WHERE room_id = $1) room`
	addForcedSlotsRelease = `
		SELECT add_history('slots_released', class_id, '', $2,
			jsonb_build_object('gateway', backend_id, 'slots', slots, 'reservation_id', id))
		FROM janus_reservation WHERE id = $1 AND state = 'releasing' FOR UPDATE`
)

// ForceRelease lets a room that must be closed, or a reservation that is to be released, count as such, although its
// service has not confirmed it. Called twice, it does the same once.
func (s *Store) ForceRelease(ctx context.Context, p minigroup.PendingRelease, by minigroup.Requester) error {
	return s.inBatch(ctx, "force release", func(batch *pgx.Batch) {
		if p.Gateway != "" {
			batch.Queue(addForcedSlotsRelease, p.ID, stored.NewRequester(by))
			batch.Queue(releaseReservation, p.ID)
			return
		}
		batch.Queue(addForcedRoomRelease, p.ID, stored.NewRequester(by))
		batch.Queue(releaseRoom, p.ID, clockSkew)
	})
}

// DiscardEvents deletes events of the outbox that were not published. One that names no class is deleted, too.
func (s *Store) DiscardEvents(ctx context.Context, ids []int64, by minigroup.Requester) error {
	return s.exec(ctx, "discard events", `
		WITH discarded AS (DELETE FROM outbox WHERE id = ANY($1) RETURNING label, payload)
		SELECT add_history('event_discarded', (payload->>'id')::uuid, '', $2, jsonb_build_object('label', label))
		FROM discarded WHERE payload ? 'id'`, ids, stored.NewRequester(by))
}
