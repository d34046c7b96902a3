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

// OpenAttempt returns the run's attempt at a room: the one whose room is held; else the one that is in flight, which is
// any that is sent, unanswered and not expired, whichever process sent it; else a new one, unless n.NoNew is set: then
// the attempt has no state. It requires that the run owns the row and that the row is creating, or that the run is
// recreating it, and returns *minigroup.SupersededError otherwise.
func (s *Store) OpenAttempt(ctx context.Context, n minigroup.AttemptEntry) (minigroup.Attempt, error) {
	out := minigroup.Attempt{ID: n.ID, State: minigroup.AttemptSent}
	err := s.inTx(ctx, "open attempt", func(tx pgx.Tx) error {
		if err := demandOperation(ctx, tx, n); err != nil {
			return err
		}
		var roomID *uuid.UUID
		var seconds float64
		err := tx.QueryRow(ctx, `
			SELECT id, state, room_id, extract(epoch FROM expires_at - now())::float8 FROM room_attempt
			WHERE class_id = $1 AND kind = $2 AND operation = $4 AND fingerprint = $3
				AND (state = 'held' OR (state = 'sent' AND expires_at > now()))
			ORDER BY state = 'held' DESC, expires_at DESC LIMIT 1`, n.ClassID, n.Kind, n.Fingerprint, n.Operation).
			Scan(&out.ID, &out.State, &roomID, &seconds)
		if err == nil {
			out.ExpiresIn = time.Duration(seconds * float64(time.Second))
			if roomID != nil {
				out.RoomID = *roomID
			}
			return nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if n.NoNew {
			out = minigroup.Attempt{}
			return nil
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO room_attempt (id, class_id, kind, operation, state, run, fingerprint, expires_at)
			VALUES ($1, $2, $3, $7, 'sent', $4, $5, now() + $6)`,
			n.ID, n.ClassID, n.Kind, n.Run, n.Fingerprint, n.RequestTimeout, n.Operation)
		return err
	})
	return out, err
}

// demandOperation locks the row and demands that the run is at work on the operation that the attempt is for.
func demandOperation(ctx context.Context, tx pgx.Tx, n minigroup.AttemptEntry) error {
	row, err := lockRow(ctx, tx, n.ClassID)
	if err != nil {
		return err
	}
	if n.Operation == minigroup.ForCreate {
		return row.demand(n.Run, minigroup.Creating)
	}
	if err := row.demand(n.Run, minigroup.Ready); err != nil {
		return err
	}
	var running bool
	err = tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM minigroup_update WHERE id = $1::uuid AND class_id = $2 AND run = $3 AND state = 'running')`,
		n.Fingerprint, n.ClassID, n.Run).Scan(&running)
	if err == nil && !running {
		err = minigroup.Supersededf("recreate %s is not under way any more", n.Fingerprint)
	}
	return err
}

// firstAttempts are the first attempts at both rooms, for a create or a recreate that is under way.
type firstAttempts struct {
	class uuid.UUID
	run   string
	// update is nil for a create.
	update            *uuid.UUID
	event, conference uuid.UUID // ids of the attempts
	timeout           time.Duration
}

// writeFirstAttempts writes an attempt for each kind of which no room is held and no request is in flight.
const writeFirstAttempts = `
	INSERT INTO room_attempt (id, class_id, kind, operation, state, run, fingerprint, expires_at)
	SELECT first.id, m.id, first.kind, purpose.operation, 'sent', $2, purpose.fingerprint, now() + $6::interval
	FROM minigroup m
	CROSS JOIN (VALUES ($4::uuid, 'event'), ($5::uuid, 'conference')) first (id, kind)
	CROSS JOIN LATERAL (
		SELECT CASE WHEN $3::uuid IS NULL THEN 'create' ELSE 'recreate' END AS operation,
			coalesce($3::uuid::text, m.fingerprint) AS fingerprint
	) purpose
	WHERE ` + underWay + ` AND NOT EXISTS (
		SELECT FROM room_attempt a
		WHERE a.class_id = m.id AND a.kind = first.kind AND a.operation = purpose.operation
			AND a.fingerprint = purpose.fingerprint
			AND (a.state = 'held' OR a.state = 'sent' AND a.expires_at > now()))
	RETURNING id, kind`

// queue adds the attempts to a batch that has locked the class. The ids of those that are written go to event and
// conference; the others stay as they are.
func (f firstAttempts) queue(batch *pgx.Batch, event, conference *uuid.UUID) {
	batch.Queue(writeFirstAttempts, f.class, f.run, f.update, f.event, f.conference, f.timeout).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var kind minigroup.RoomKind
		_, err := pgx.ForEachRow(rows, []any{&id, &kind}, func() error {
			if kind == minigroup.EventRoom {
				*event = id
			} else {
				*conference = id
			}
			return nil
		})
		return err
	})
}

// answerAttempt writes the id that a reply has brought. The room is held where it is wanted and the place is free.
const answerAttempt = `
	UPDATE room_attempt a SET room_id = $2, answered_at = now(), changed_at = now(), resolution = NULL, resolved_at = NULL,
		state = CASE WHEN a.state = 'sent' AND $3 AND NOT EXISTS (
				SELECT 1 FROM room_attempt h
				WHERE h.class_id = a.class_id AND h.kind = a.kind AND h.operation = a.operation AND h.state = 'held')
			THEN 'held' ELSE 'releasing' END
	WHERE a.id = $1 AND a.room_id IS NULL
	RETURNING state`

// AnswerAttempt takes the id of a room into the ledger, whatever has become of its minigroup, and returns the state of
// the attempt: held, or releasing where nobody wants the room any more. Done twice it does the same once. An attempt that is not
// known is an error, and nothing changes: the ledger remembers each for far longer than its request may be in flight.
func (s *Store) AnswerAttempt(ctx context.Context, id, roomID uuid.UUID) (minigroup.AttemptState, error) {
	var state minigroup.AttemptState
	err := s.pool.QueryRow(ctx, answerAttempt, id, roomID, true).Scan(&state)
	if violates(err, "attempt_one_held") { // another reply took the place at the same moment
		err = s.pool.QueryRow(ctx, answerAttempt, id, roomID, false).Scan(&state)
	}
	if errors.Is(err, pgx.ErrNoRows) { // answered before
		err = s.pool.QueryRow(ctx, `SELECT state FROM room_attempt WHERE id = $1`, id).Scan(&state)
	}
	if err != nil {
		return "", fmt.Errorf("answer attempt: %w", err)
	}
	return state, nil
}

// RefuseAttempt notes that the request made no room and will not. Done twice it does the same once.
func (s *Store) RefuseAttempt(ctx context.Context, id uuid.UUID) error {
	return s.exec(ctx, "refuse attempt", `
		UPDATE room_attempt SET state = 'refused', changed_at = now()
		WHERE id = $1 AND room_id IS NULL AND state IN ('sent', 'releasing')`, id)
}

// AttemptLost records that no answer to an attempt will come, although a room may have been made. It changes nothing if
// the answer is known.
func (s *Store) AttemptLost(ctx context.Context, id uuid.UUID) error {
	return s.exec(ctx, "record lost attempt", `
		UPDATE room_attempt SET state = 'lost', changed_at = now()
		WHERE id = $1 AND room_id IS NULL AND state IN ('sent', 'releasing')`, id)
}

// RoomLocked notes that in a held event room all is locked that its draft asks for. It returns *minigroup.SupersededError
// where the room is not held any more.
func (s *Store) RoomLocked(ctx context.Context, roomID uuid.UUID) error {
	tag, err := s.pool.Exec(ctx, `
		UPDATE room_attempt SET locked = true, changed_at = now()
		WHERE room_id = $1 AND kind = 'event' AND state = 'held'`, roomID)
	if err != nil {
		return fmt.Errorf("note locks: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return minigroup.Supersededf("event room %s is not held any more", roomID)
	}
	return nil
}

// RoomReleased notes that a condemned room is closed. Where it was known by its announcement alone, a lost attempt that may
// have made it is resolved: the last one sent before. Done twice it does the same once.
func (s *Store) RoomReleased(ctx context.Context, roomID uuid.UUID) error {
	return s.exec(ctx, "release room", `
		WITH answered AS (
			UPDATE room_attempt SET state = 'released', changed_at = now() WHERE room_id = $1 AND state = 'releasing'
		), announced AS (
			UPDATE announced_room SET state = 'released', changed_at = now() WHERE room_id = $1 AND state = 'releasing'
			RETURNING class_id, kind, made_at
		)
		UPDATE room_attempt SET resolution = 'closed', resolved_at = now(), changed_at = now() WHERE id = (
			SELECT a.id FROM room_attempt a JOIN announced f ON a.class_id = f.class_id AND a.kind = f.kind
			WHERE a.state = 'lost' AND a.resolution IS NULL AND a.sent_at <= f.made_at + $2::interval
			ORDER BY a.sent_at DESC LIMIT 1 FOR UPDATE OF a)`, roomID, clockSkew)
}

// condemned are the rooms that are to be closed: those that replies have brought, and those that are known by their
// announcement alone. However often the latter are looked at, a room that is held is not among them.
const roomsPendingClose = `
	SELECT kind, room_id, class_id, answered_at FROM (
		SELECT kind, room_id, class_id, answered_at, changed_at FROM room_attempt WHERE state = 'releasing' AND room_id IS NOT NULL
		UNION ALL
		SELECT kind, room_id, class_id, announced_at, changed_at FROM announced_room f WHERE state = 'releasing'
			AND NOT EXISTS (SELECT FROM room_attempt a WHERE a.room_id = f.room_id)
	) condemned`

// RoomPendingClose reads a room that is to be closed; ok is false where the ledger does not condemn it.
func (s *Store) RoomPendingClose(ctx context.Context, roomID uuid.UUID) (room minigroup.RoomPendingClose, ok bool, err error) {
	err = s.pool.QueryRow(ctx, roomsPendingClose+` WHERE room_id = $1`, roomID).Scan(&room.Kind, &room.ID, &room.ClassID, &room.AnsweredAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return room, false, nil
	}
	if err != nil {
		return room, false, fmt.Errorf("read condemned room: %w", err)
	}
	return room, true, nil
}

func (s *Store) exec(ctx context.Context, doing, sql string, args ...any) error {
	if _, err := s.pool.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
