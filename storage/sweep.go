package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/stored"
)

// OpenSagas lists at most so many sagas that were under way before the last `quiet`: creates that are neither ready nor
// failed, and updates that are not decided. Where there are more, each call picks others.
func (s *Store) OpenSagas(ctx context.Context, quiet time.Duration, limit int) ([]minigroup.OpenSaga, error) {
	return list(ctx, s.pool, "list open sagas", scanOpenSaga, `
		SELECT * FROM (
			SELECT id, audience, scope, owner, '00000000-0000-0000-0000-000000000000'::uuid, NULL::jsonb FROM minigroup
			WHERE state IN ('creating', 'undoing') AND changed_at < now() - $1::interval
			UNION ALL
			SELECT m.id, m.audience, m.scope, u.run, u.id, u.requested FROM minigroup_update u JOIN minigroup m ON m.id = u.class_id
			WHERE u.state IN ('requested', 'running') AND u.requested_at < now() - $1::interval
		) saga ORDER BY random() LIMIT $2`, quiet, limit)
}

func scanOpenSaga(row pgx.CollectableRow) (o minigroup.OpenSaga, err error) {
	var change *stored.Change
	err = row.Scan(&o.ClassID, &o.Audience, &o.Scope, &o.Run, &o.UpdateID, &change)
	o.Change = change.Change()
	return o, err
}

// StaleClosings lists at most so many condemned rooms with an id that nobody has closed in the last `quiet`. Where there
// are more, each call picks others.
func (s *Store) StaleClosings(ctx context.Context, quiet time.Duration, limit int) ([]minigroup.RoomPendingClose, error) {
	return list(ctx, s.pool, "list forgotten rooms", scanRoomPendingClose,
		roomsPendingClose+` WHERE changed_at < now() - $1::interval ORDER BY random() LIMIT $2`, quiet, limit)
}

// ExpireAttempts notes as lost every attempt whose moment has passed without an answer, and returns how many that were. The
// process that sent one does it itself, unless it died.
func (s *Store) ExpireAttempts(ctx context.Context) (int64, error) {
	tag, err := s.pool.Exec(ctx, `
		UPDATE room_attempt SET state = 'lost', changed_at = now()
		WHERE room_id IS NULL AND state IN ('sent', 'releasing') AND expires_at <= now()`)
	if err != nil {
		return 0, fmt.Errorf("lose expired attempts: %w", err)
	}
	return tag.RowsAffected(), nil
}

// GatewayRooms lists what a gateway should show: the reservations on it that are not released and that no run has touched
// in the last `quiet`, those that are given up included.
func (s *Store) GatewayRooms(ctx context.Context, backend string, quiet time.Duration) ([]minigroup.Reservation, error) {
	return list(ctx, s.pool, "list reservations of "+backend, scanReservation,
		reservations+`WHERE r.backend_id = $1 AND r.state <> 'released' AND r.changed_at < now() - $2::interval ORDER BY r.created_at`, backend, quiet)
}

// Strays returns which of the gateway's rooms belong to reservations that were released before the last `quiet`: the
// gateway has executed a request late.
func (s *Store) Strays(ctx context.Context, rooms []uuid.UUID, quiet time.Duration) ([]uuid.UUID, error) {
	return list(ctx, s.pool, "list strays", pgx.RowTo[uuid.UUID], `
		SELECT id FROM janus_reservation WHERE id = ANY($1) AND state = 'released' AND changed_at < now() - $2::interval`, rooms, quiet)
}
