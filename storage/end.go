package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// undecided is the condition that an operation on the minigroup m may still change it: then nobody ends it, and whoever
// decides that operation looks again.
const undecided = `EXISTS (SELECT FROM minigroup_update u WHERE u.class_id = m.id AND u.state IN ('requested', 'running'))`

// end ends a class whose row the transaction has locked: it is closed for good, its end is now unless it lay before, its
// slots are given back, and whoever listens is told. It does nothing, and reports false, where the class has ended already
// or is not ready.
func (s *Store) end(ctx context.Context, tx pgx.Tx, id uuid.UUID) (bool, error) {
	tag, err := tx.Exec(ctx, `
		UPDATE minigroup m SET closed_at = now(), changed_at = now(),
			timed_out = EXISTS (SELECT FROM closed_room c WHERE c.room_id = m.conference_room_id AND c.timed_out),
			during = CASE WHEN during @> date_trunc('second', now()) AND lower(during) IS DISTINCT FROM date_trunc('second', now())
				THEN tstzrange(lower(during), date_trunc('second', now())) ELSE during END
		WHERE id = $1 AND state = 'ready' AND closed_at IS NULL`, id)
	if err != nil || tag.RowsAffected() == 0 {
		return false, wrap("end class", err)
	}
	_, err = tx.Exec(ctx, `
		UPDATE janus_reservation SET state = 'releasing', next_slots = NULL, next_during = NULL, update_id = NULL, changed_at = now()
		WHERE class_id = $1 AND state IN ('pending', 'held')`, id)
	if err != nil || !s.publishEvents {
		return err == nil, wrap("give slots back", err)
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO outbox (audience, label, payload)
		SELECT audience, 'minigroup.stop', jsonb_build_object('id', id, 'scope', scope) ||
			CASE WHEN tags IS NULL THEN '{}' ELSE jsonb_build_object('tags', tags) END
		FROM minigroup WHERE id = $1`, id)
	return true, wrap("tell of the end", err)
}

// endWhere ends a class, whose row the transaction has locked, if the condition holds and nothing is undecided.
func (s *Store) endWhere(ctx context.Context, tx pgx.Tx, id uuid.UUID, condition string) (bool, error) {
	var holds bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM minigroup m WHERE m.id = $1 AND NOT `+undecided+` AND `+condition+`)`, id).Scan(&holds)
	if err != nil || !holds {
		return false, err
	}
	return s.end(ctx, tx, id)
}

// hasClosed is the condition that conference has announced to have closed the room of the minigroup m.
const hasClosed = `EXISTS (SELECT FROM closed_room c WHERE c.class_id = m.id AND c.room_id = m.conference_room_id AND NOT c.settled)`

// endEach ends those of the classes for which the condition holds, each in a transaction of its own, and returns how many
// that were.
func (s *Store) endEach(ctx context.Context, ids []uuid.UUID, condition string) (ended int, err error) {
	for _, id := range ids {
		var did bool
		err := s.inTx(ctx, "end class", func(tx pgx.Tx) (err error) {
			if _, err := lockRow(ctx, tx, id); err != nil {
				return err
			}
			did, err = s.endWhere(ctx, tx, id, condition)
			return err
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

// EndClosed ends at most so many classes whose room conference has announced to be closed while an operation on them was
// undecided, and returns how many those were. What can end nothing any more is noted as such.
func (s *Store) EndClosed(ctx context.Context, limit int) (int, error) {
	ids, err := list(ctx, s.pool, "list closed classes", pgx.RowTo[uuid.UUID], `
		SELECT m.id FROM closed_room c JOIN minigroup m ON m.id = c.class_id AND m.conference_room_id = c.room_id
		WHERE NOT c.settled AND m.closed_at IS NULL AND NOT `+undecided+` LIMIT $1`, limit)
	if err != nil {
		return 0, err
	}
	ended, err := s.endEach(ctx, ids, hasClosed)
	if err != nil {
		return ended, err
	}
	return ended, s.exec(ctx, "settle closed rooms", `
		UPDATE closed_room c SET settled = true FROM minigroup m
		WHERE m.id = c.class_id AND NOT c.settled AND NOT `+undecided+`
			AND (m.closed_at IS NOT NULL OR (m.conference_room_id IS DISTINCT FROM c.room_id AND c.received_at < now() - interval '1 day'))`)
}

// EndOverdue ends at most so many classes whose end has passed so long ago, and returns how many those were.
func (s *Store) EndOverdue(ctx context.Context, grace time.Duration, limit int) (int, error) {
	ids, err := list(ctx, s.pool, "list overdue classes", pgx.RowTo[uuid.UUID], `
		SELECT id FROM minigroup m WHERE state = 'ready' AND closed_at IS NULL AND upper(during) < now() - $1::interval AND NOT `+undecided+`
		ORDER BY upper(during) LIMIT $2`, grace, limit)
	if err != nil {
		return 0, err
	}
	return s.endEach(ctx, ids, fmt.Sprintf(`upper(m.during) < now() - interval '%d milliseconds'`, grace.Milliseconds()))
}

// DueLookups lists at most so many classes that have begun, have no end, and were not looked up in conference for so long;
// those first that were not for longest. They are not listed again for as long.
func (s *Store) DueLookups(ctx context.Context, every time.Duration, limit int) ([]minigroup.Minigroup, error) {
	return list(ctx, s.pool, "list due lookups", func(row pgx.CollectableRow) (m minigroup.Minigroup, err error) {
		return m, row.Scan(&m.ID, &m.Audience, &m.Scope, &m.ConferenceRoomID)
	}, fmt.Sprintf(`
		UPDATE minigroup SET looked_up_at = now() WHERE id IN (
			SELECT id FROM minigroup WHERE state = 'ready' AND closed_at IS NULL AND upper_inf(during)
				AND looked_up_at < now() - $1::interval AND (lower_inf(during) OR lower(during) <= now())
			ORDER BY looked_up_at LIMIT %d FOR UPDATE SKIP LOCKED)
		RETURNING id, audience, scope, conference_room_id`, limit), every) // a limit that Postgres does not know makes it scan the table
}
