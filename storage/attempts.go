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
// the attempt has no state. It returns *minigroup.SupersededError unless the run carries out the operation that the
// attempt is for, or has completed it: then another execution of the same run was faster, and the room is the one that
// the minigroup has.
func (s *Store) OpenAttempt(ctx context.Context, n minigroup.AttemptEntry) (out minigroup.Attempt, err error) {
	err = s.inTx(ctx, "open attempt", func(tx pgx.Tx) error {
		row, err := lockRow(ctx, tx, n.ClassID)
		if err != nil {
			return err
		}
		out = minigroup.Attempt{}
		var roomID *uuid.UUID
		var seconds float64
		err = tx.QueryRow(ctx, usableAttempt, n.ClassID, n.Run, updateOf(n), n.Kind, n.Operation, n.Fingerprint).
			Scan(&out.ID, &out.State, &roomID, &seconds)
		if !errors.Is(err, pgx.ErrNoRows) {
			out.ExpiresIn, out.RoomID = time.Duration(seconds*float64(time.Second)), orZero(roomID)
			return err
		}
		if err := requireUnderWay(ctx, tx, row, n); err != nil || n.NoNew {
			return err
		}
		out.ID, out.State = n.ID, minigroup.AttemptSent
		_, err = tx.Exec(ctx, `
			INSERT INTO room_attempt (id, class_id, kind, operation, state, run, fingerprint, expires_at)
			VALUES ($1, $2, $3, $4, 'sent', $5, $6, now() + $7)`,
			n.ID, n.ClassID, n.Kind, n.Operation, n.Run, n.Fingerprint, n.RequestTimeout)
		return err
	})
	return out, err
}

// usableAttempt reads the attempt at a room of kind $4 that the run $2 may use for the create of the minigroup $1, or
// for its recreate $3: one for its operation ($5, $6) that is held or in flight; or, once the run has completed the
// operation, the held one, which is then for the create.
const usableAttempt = `
	SELECT a.id, a.state, a.room_id, extract(epoch FROM a.expires_at - now())::float8
	FROM minigroup m JOIN room_attempt a ON a.class_id = m.id AND a.kind = $4
	WHERE m.id = $1 AND (` + underWay + ` AND a.operation = $5 AND a.fingerprint = $6
			AND (a.state = 'held' OR a.state = 'sent' AND a.expires_at > now())
		OR m.owner = $2 AND m.state = 'ready' AND a.operation = 'create' AND a.state = 'held'
			AND CASE WHEN $3::uuid IS NULL THEN m.fingerprint = $6 ELSE EXISTS (
				SELECT FROM minigroup_update u
				WHERE u.id = $3 AND u.class_id = m.id AND u.run = $2 AND u.state = 'done') END)
	ORDER BY a.state = 'held' DESC, a.expires_at DESC LIMIT 1`

// updateOf returns the id of the recreate that an attempt is for; nil for a create.
func updateOf(n minigroup.AttemptEntry) *string {
	if n.Operation == minigroup.ForRecreate {
		return &n.Fingerprint
	}
	return nil
}

// requireUnderWay requires that the run carries out the operation that the attempt is for. row is the locked minigroup.
func requireUnderWay(ctx context.Context, tx pgx.Tx, row lockedRow, n minigroup.AttemptEntry) error {
	var yes bool
	err := tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM minigroup m WHERE `+underWay+`)`, n.ClassID, n.Run, updateOf(n)).Scan(&yes)
	if err == nil && !yes {
		err = minigroup.Supersededf("the run does not carry out the %s any more: the minigroup is %s and belongs to run %s",
			n.Operation, row.state, row.owner)
	}
	return err
}

// firstAttempts are the first attempts at both rooms, for a create or a recreate.
type firstAttempts struct {
	class uuid.UUID
	run   string
	// update is the recreate; nil for a create.
	update *uuid.UUID
	// event and conference are the ids of new attempts; uuid.Nil writes none.
	event, conference uuid.UUID
	// timeout is the time from now to the deadline of the requests.
	timeout time.Duration
}

// insertFirstAttempts inserts an attempt for each kind of room, unless a room of that kind is held or a request for one
// is in flight. It inserts nothing unless the run carries out the operation, nor where the id is the nil uuid.
const insertFirstAttempts = `
	INSERT INTO room_attempt (id, class_id, kind, operation, state, run, fingerprint, expires_at)
	SELECT first.id, m.id, first.kind, purpose.operation, 'sent', $2, purpose.fingerprint, now() + $6::interval
	FROM minigroup m
	CROSS JOIN (VALUES ($4::uuid, 'event'), ($5::uuid, 'conference')) first (id, kind)
	CROSS JOIN LATERAL (
		SELECT CASE WHEN $3::uuid IS NULL THEN 'create' ELSE 'recreate' END AS operation,
			coalesce($3::uuid::text, m.fingerprint) AS fingerprint
	) purpose
	WHERE ` + underWay + ` AND first.id <> '00000000-0000-0000-0000-000000000000' AND NOT EXISTS (
		SELECT FROM room_attempt a
		WHERE a.class_id = m.id AND a.kind = first.kind AND a.operation = purpose.operation
			AND a.fingerprint = purpose.fingerprint
			AND (a.state = 'held' OR a.state = 'sent' AND a.expires_at > now()))
	RETURNING id, kind`

// queue adds the attempts to a batch, after the lock of the minigroup. event and conference get the ids of the attempts
// that are inserted, and stay as they are otherwise.
func (f firstAttempts) queue(batch *pgx.Batch, event, conference *uuid.UUID) {
	args := []any{f.class, f.run, f.update, f.event, f.conference, f.timeout}
	batch.Queue(insertFirstAttempts, args...).Query(func(rows pgx.Rows) error {
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

// answerAttempt writes the room id that a reply contains. With $3 the room is held, if it is not marked for closing and
// the class has no such room; otherwise it is marked for closing.
const answerAttempt = `
	UPDATE room_attempt a SET room_id = $2, answered_at = now(), changed_at = now(),
		resolution = NULL, resolved_at = NULL,
		state = CASE WHEN a.state = 'sent' AND $3 AND NOT EXISTS (
				SELECT FROM room_attempt h
				WHERE h.class_id = a.class_id AND h.kind = a.kind AND h.operation = a.operation AND h.state = 'held')
			THEN 'held' ELSE 'releasing' END
	WHERE a.id = $1 AND a.room_id IS NULL
	RETURNING state`

// AnswerAttempt records the id of a room, whatever has become of its minigroup, and returns the state of the attempt:
// held, or releasing if the room must be closed. If the room is that of another attempt, the request has created none,
// and the attempt is refused. An unknown attempt is an error: the ledger keeps each for much longer than its request
// may be in flight. Called twice, it does the same once.
//
// If that was the last thing that the create needs, AnswerAttempt establishes the minigroup and returns it.
func (s *Store) AnswerAttempt(
	ctx context.Context, id, roomID uuid.UUID, c minigroup.RunningCreate,
) (minigroup.AttemptState, *minigroup.Minigroup, error) {
	type result struct {
		state       minigroup.AttemptState
		established *minigroup.Minigroup
	}
	r, err := inGroup(ctx, s, "answer attempt", func(batch *pgx.Batch, r *result) {
		batch.Queue(answerAttempt, id, roomID, true).Query(scanned(&r.state))
		queueEstablish(batch, c, &r.established)
	})
	state := r.state
	if violates(err, "attempt_one_held") { // another reply was recorded at the same time
		err = s.pool.QueryRow(ctx, answerAttempt, id, roomID, false).Scan(&state)
	}
	if violates(err, "attempt_room") {
		if err := s.RefuseAttempt(ctx, id); err != nil {
			return "", nil, err
		}
		err, state = nil, ""
	}
	if err == nil && state == "" { // answered before, or just refused
		err = s.pool.QueryRow(ctx, `SELECT state FROM room_attempt WHERE id = $1`, id).Scan(&state)
	}
	if err != nil {
		return "", nil, fmt.Errorf("answer attempt: %w", err)
	}
	return state, r.established, nil
}

// RefuseAttempt records that the request has created no room and will not. Called twice, it does the same once.
func (s *Store) RefuseAttempt(ctx context.Context, id uuid.UUID) error {
	return s.exec(ctx, "refuse attempt", `
		UPDATE room_attempt SET state = 'refused', changed_at = now()
		WHERE id = $1 AND room_id IS NULL AND state IN ('sent', 'releasing')`, id)
}

// AttemptLost records that no answer to an attempt will come, although a room may have been created. It changes nothing
// if the answer is known.
func (s *Store) AttemptLost(ctx context.Context, id uuid.UUID) error {
	return s.exec(ctx, "record lost attempt", `
		UPDATE room_attempt SET state = 'lost', changed_at = now()
		WHERE id = $1 AND room_id IS NULL AND state IN ('sent', 'releasing')`, id)
}

// ExpireAttempts records as lost every attempt whose deadline has passed without an answer, and returns their number.
// It does that for processes that died: the others record what they have sent.
func (s *Store) ExpireAttempts(ctx context.Context) (int64, error) {
	return s.execCount(ctx, "expire attempts", `
		UPDATE room_attempt SET state = 'lost', changed_at = now()
		WHERE room_id IS NULL AND state IN ('sent', 'releasing') AND expires_at <= now()`)
}

// RoomLocked records that in a held event room everything is locked that its request asks for. It establishes a
// minigroup as AnswerAttempt does. It returns *minigroup.SupersededError if the room is not held any more.
func (s *Store) RoomLocked(
	ctx context.Context, roomID uuid.UUID, c minigroup.RunningCreate,
) (established *minigroup.Minigroup, err error) {
	type result struct {
		locked      bool
		established *minigroup.Minigroup
	}
	r, err := inGroup(ctx, s, "record locks", func(batch *pgx.Batch, r *result) {
		batch.Queue(`
			UPDATE room_attempt SET locked = true, changed_at = now()
			WHERE room_id = $1 AND kind = 'event' AND state = 'held'`, roomID).Exec(wrote(&r.locked))
		queueEstablish(batch, c, &r.established)
	})
	if err == nil && !r.locked {
		err = minigroup.Supersededf("event room %s is not held any more", roomID)
	}
	return r.established, err
}

// RoomKnownSince returns when the reply arrived that brought the id of a room, and the zero time if none did.
func (s *Store) RoomKnownSince(ctx context.Context, roomID uuid.UUID) (time.Time, error) {
	var since *time.Time
	err := s.pool.QueryRow(ctx, `SELECT answered_at FROM room_attempt WHERE room_id = $1`, roomID).Scan(&since)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return orZero(since), wrap("read the age of a room", err)
}
