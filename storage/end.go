package storage

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// hasClosed is the condition that conference has closed the room of the minigroup m. It does not hold while an update
// is undecided: the run that decides the update checks it again.
const hasClosed = `(NOT ` + undecided + ` AND EXISTS (
	SELECT FROM closed_room c WHERE c.class_id = m.id AND c.room_id = m.conference_room_id AND NOT c.settled))`

// end is a statement that ends the class m if the condition holds and the class is open; its minigroup must be locked.
// The class is closed, its end becomes now unless it was earlier or the class has not begun, its slots are given back,
// its late PATCHes are not looked for any more, and with $2 the event minigroup.stop is put into the outbox. The
// statement returns the id of a class that it has ended.
func end(condition string) string {
	return `
	WITH ended AS (
		UPDATE minigroup m SET closed_at = now(), changed_at = now(),
			timed_out = EXISTS (SELECT FROM closed_room c WHERE c.room_id = m.conference_room_id AND c.timed_out),
			during = CASE
				WHEN during @> date_trunc('second', now()) AND lower(during) IS DISTINCT FROM date_trunc('second', now())
				THEN tstzrange(lower(during), date_trunc('second', now())) ELSE during END
		WHERE m.state = 'ready' AND m.closed_at IS NULL AND ` + condition + `
		RETURNING m.id, m.audience, m.scope, m.tags
	), slots AS (
		UPDATE janus_reservation r SET state = 'releasing', next_slots = NULL, next_during = NULL, update_id = NULL,
			changed_at = now()
		FROM ended WHERE r.class_id = ended.id AND r.state IN ('pending', 'held')
	), patches AS (
		UPDATE minigroup_update u SET look_up_at = NULL
		FROM ended WHERE u.class_id = ended.id AND u.look_up_at IS NOT NULL
	), stop AS (
		INSERT INTO outbox (audience, label, payload)
		SELECT audience, 'minigroup.stop', jsonb_build_object('id', id, 'scope', scope) ||
			CASE WHEN tags IS NULL THEN '{}' ELSE jsonb_build_object('tags', tags) END
		FROM ended WHERE $2::boolean
	)
	SELECT id FROM ended`
}

var (
	// endClosed ends the class $1 if conference has closed its room.
	endClosed = end(`m.id = $1 AND ` + hasClosed)
	// endOverdue ends the class $1 if its end has passed by more than $3 and no update is undecided.
	endOverdue = end(`m.id = $1 AND NOT ` + undecided + ` AND upper(m.during) < now() - $3::interval`)
)

// endEach ends classes with the statement, each in a transaction of its own, and returns how many it has ended.
func (s *Store) endEach(ctx context.Context, ids []uuid.UUID, statement string, args ...any) (ended int, err error) {
	for _, id := range ids {
		var did bool
		err := s.inBatch(ctx, "end class", func(batch *pgx.Batch) {
			batch.Queue(lockMinigroup, id)
			batch.Queue(statement, append([]any{id, s.publishEvents}, args...)...).Exec(wrote(&did))
		})
		if err != nil {
			return ended, err
		}
		if did {
			ended++
		}
	}
	return ended, nil
}

// EndClosed ends at most limit classes whose room conference has closed while an update of them was undecided, and
// returns how many it has ended. Closed rooms that can end no class any more are recorded as settled.
func (s *Store) EndClosed(ctx context.Context, limit int) (int, error) {
	ids, err := list(ctx, s.pool, "list closed classes", pgx.RowTo[uuid.UUID], `
		SELECT m.id FROM closed_room c JOIN minigroup m ON m.id = c.class_id AND m.conference_room_id = c.room_id
		WHERE NOT c.settled AND m.closed_at IS NULL AND NOT `+undecided+` LIMIT $1`, limit)
	if err != nil {
		return 0, err
	}
	ended, err := s.endEach(ctx, ids, endClosed)
	if err != nil {
		return ended, err
	}
	return ended, s.exec(ctx, "settle closed rooms", `
		UPDATE closed_room c SET settled = true
		WHERE NOT c.settled AND EXISTS (
			SELECT FROM minigroup m WHERE m.id = c.class_id AND NOT `+undecided+` AND (m.closed_at IS NOT NULL
				OR (m.conference_room_id IS DISTINCT FROM c.room_id AND c.received_at < now() - interval '1 day'))
			OFFSET 0)`)
}

// EndOverdue ends at most limit classes whose end has passed by more than grace, and returns how many it has ended.
func (s *Store) EndOverdue(ctx context.Context, grace time.Duration, limit int) (int, error) {
	ids, err := list(ctx, s.pool, "list overdue classes", pgx.RowTo[uuid.UUID], `
		SELECT id FROM minigroup m
		WHERE state = 'ready' AND closed_at IS NULL AND upper(during) < now() - $1::interval AND NOT `+undecided+`
		ORDER BY upper(during) LIMIT $2`, grace, limit)
	if err != nil {
		return 0, err
	}
	return s.endEach(ctx, ids, endOverdue, grace)
}
