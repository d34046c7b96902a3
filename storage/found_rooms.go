package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// KnownRooms returns those of the rooms that the ledger has, open or closed.
func (s *Store) KnownRooms(ctx context.Context, rooms []uuid.UUID) (map[uuid.UUID]bool, error) {
	ids, err := list(ctx, s.pool, "look for rooms", pgx.RowTo[uuid.UUID], `
		SELECT room_id FROM room_attempt WHERE room_id = ANY($1)
		UNION SELECT room_id FROM announced_room WHERE room_id = ANY($1) AND state <> 'announced'`, rooms)
	known := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		known[id] = true
	}
	return known, err
}

// RecordFoundRoom records a room that the ledger does not know, as the answer to an attempt of its run that is
// unanswered, or else to one that it writes. The class has the room afterwards if r.Keep is set and it has no other
// one; then the state is held. Otherwise the room is marked for closing. Called twice, it does the same once.
func (s *Store) RecordFoundRoom(ctx context.Context, r minigroup.FoundRoom) (minigroup.AttemptState, error) {
	var attempt uuid.UUID
	err := s.inTx(ctx, "record a found room", func(tx pgx.Tx) error {
		if _, err := lockRow(ctx, tx, r.ClassID); err != nil {
			return err
		}
		// The state sent comes first: of the others, none can be held.
		err := tx.QueryRow(ctx, `
			SELECT id FROM room_attempt
			WHERE class_id = $1 AND (room_id = $5
				OR room_id IS NULL AND kind = $2 AND operation = $3 AND run = $4
					AND (state = 'sent' OR state IN ('releasing', 'lost') AND NOT $6))
			ORDER BY room_id IS NULL, state = 'sent' DESC, sent_at LIMIT 1`,
			r.ClassID, r.Kind, r.Operation, r.Run, r.ID, r.Keep).Scan(&attempt)
		if errors.Is(err, pgx.ErrNoRows) {
			attempt = uuid.New()
			_, err = tx.Exec(ctx, `
				INSERT INTO room_attempt (id, class_id, kind, operation, state, run, fingerprint, expires_at)
				VALUES ($1, $2, $3, $4, 'sent', $5, $6, now())`,
				attempt, r.ClassID, r.Kind, r.Operation, r.Run, r.Fingerprint)
		}
		if err != nil {
			return err
		}
		if r.Keep { // conference may have closed it since
			_, err = tx.Exec(ctx, `UPDATE minigroup SET looked_up_at = looked_up_at - interval '1 day' WHERE id = $1`, r.ClassID)
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE room_attempt SET state = 'releasing', changed_at = now()
			WHERE id = $1 AND (state = 'sent' OR state = 'held' AND room_id = $2)`, attempt, r.ID)
		return err
	})
	if err != nil {
		return "", err
	}
	state, _, err := s.AnswerAttempt(ctx, attempt, r.ID, minigroup.RunningCreate{})
	if err != nil {
		return state, fmt.Errorf("record a found room: %w", err)
	}
	return state, nil
}

// LookUpSoon makes the sweeper look up the conference rooms of all classes without an end, as soon as it can.
func (s *Store) LookUpSoon(ctx context.Context) error {
	return s.exec(ctx, "make look-ups due", `
		UPDATE minigroup SET looked_up_at = looked_up_at - interval '1 day'
		WHERE state = 'ready' AND closed_at IS NULL AND upper_inf(during)`)
}
