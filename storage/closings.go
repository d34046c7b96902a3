package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// roomsPendingClose are the rooms with a known id that must be closed: those that replies have brought, and those that
// are known only from their events. A room that an attempt has is none of the latter, whatever its announced_room says.
const roomsPendingClose = `
	SELECT kind, room_id, class_id, answered_at FROM (
		SELECT kind, room_id, class_id, answered_at, changed_at, true AS replied
		FROM room_attempt WHERE state = 'releasing' AND room_id IS NOT NULL
		UNION ALL
		SELECT kind, room_id, class_id, received_at, changed_at, false FROM announced_room r WHERE state = 'releasing'
			AND NOT EXISTS (SELECT FROM room_attempt a WHERE a.room_id = r.room_id)
	) pending`

func scanRoomPendingClose(row pgx.CollectableRow) (r minigroup.RoomPendingClose, err error) {
	err = row.Scan(&r.Kind, &r.ID, &r.ClassID, &r.AnsweredAt)
	return r, err
}

// RoomPendingClose reads a room that must be closed; ok is false if the room must not.
func (s *Store) RoomPendingClose(
	ctx context.Context, roomID uuid.UUID,
) (room minigroup.RoomPendingClose, ok bool, err error) {
	rows, _ := s.pool.Query(ctx, roomsPendingClose+` WHERE room_id = $1`, roomID) // CollectOneRow returns its error
	room, err = pgx.CollectOneRow(rows, scanRoomPendingClose)
	if errors.Is(err, pgx.ErrNoRows) {
		return room, false, nil
	}
	if err != nil {
		return room, false, fmt.Errorf("read room pending close: %w", err)
	}
	return room, true, nil
}

// RoomsPendingClose lists the rooms of a class that must be closed and that replies have brought.
func (s *Store) RoomsPendingClose(ctx context.Context, id uuid.UUID) ([]minigroup.RoomPendingClose, error) {
	return roomsPendingCloseOf(ctx, s.pool, id)
}

func roomsPendingCloseOf(ctx context.Context, q querier, id uuid.UUID) ([]minigroup.RoomPendingClose, error) {
	return list(ctx, q, "list rooms pending close", scanRoomPendingClose, `
		SELECT kind, room_id, class_id, answered_at FROM room_attempt
		WHERE class_id = $1 AND state = 'releasing' AND room_id IS NOT NULL ORDER BY answered_at, room_id`, id)
}

// StaleClosings lists at most limit rooms that must be closed and were not changed within minAge, except those that the
// undo of their class closes. If there are more, each call chooses others.
func (s *Store) StaleClosings(
	ctx context.Context, minAge time.Duration, limit int,
) ([]minigroup.RoomPendingClose, error) {
	return list(ctx, s.pool, "list stale closings", scanRoomPendingClose,
		roomsPendingClose+`
		WHERE changed_at < now() - $1::interval AND NOT (replied AND EXISTS (
			SELECT FROM minigroup m WHERE m.id = pending.class_id AND m.state = 'undoing' OFFSET 0))
		ORDER BY random() LIMIT $2`, minAge, limit)
}

// RoomReleased records that a room is closed. If it is known only from its event, a lost attempt that may have created
// it is resolved: the last one that was sent before. Called twice, it does the same once.
func (s *Store) RoomReleased(ctx context.Context, roomID uuid.UUID) error {
	return s.exec(ctx, "release room", releaseRoom, roomID, clockSkew)
}

// releaseRoom records that the room $1 is closed. Its event may be earlier than its request by $2.
const releaseRoom = `
	WITH answered AS (
		UPDATE room_attempt SET state = 'released', changed_at = now() WHERE room_id = $1 AND state = 'releasing'
	), announced AS (
		UPDATE announced_room SET state = 'released', changed_at = now() WHERE room_id = $1 AND state = 'releasing'
		RETURNING class_id, kind, created_at
	)
	UPDATE room_attempt SET resolution = 'closed', resolved_at = now(), changed_at = now() WHERE id = (
		SELECT a.id FROM room_attempt a JOIN announced r ON a.class_id = r.class_id AND a.kind = r.kind
		WHERE a.state = 'lost' AND a.resolution IS NULL AND a.sent_at <= r.created_at + $2::interval
			AND NOT EXISTS (SELECT FROM room_attempt t WHERE t.room_id = $1) -- a reply came after it was marked
		ORDER BY a.sent_at DESC LIMIT 1 FOR UPDATE OF a)`
