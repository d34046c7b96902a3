package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"minigroups/minigroup"
)

// BeginCreate takes the row for the run, or makes it, and writes what the run is about to ask for: attempts and, where
// slots are asked for, the reservation. What is left of an earlier draft is condemned; what was held for an equal one is
// kept. On a minigroup that is ready it changes nothing. Done twice by the same run, it does the same once.
//
// It returns *minigroup.OwnedError where another run owns the row, and CapacityExceeded where the slots fit nowhere.
func (s *Store) BeginCreate(ctx context.Context, c minigroup.CreateEntry) (minigroup.BegunCreate, error) {
	begun, fresh, err := s.beginFresh(ctx, c)
	if err != nil || fresh {
		return begun, err
	}
	err = s.inTx(ctx, "begin create again", func(tx pgx.Tx) (err error) {
		begun, err = beginAgain(ctx, tx, c)
		return err
	})
	return begun, err
}

// freshCreate makes a row with its first attempts, and returns its id; nothing where there is a row.
const freshCreate = `
	WITH fresh AS (` + insertMinigroup + ` RETURNING id
	), attempts AS (
		INSERT INTO room_attempt (id, class_id, kind, operation, state, run, fingerprint, expires_at)
		SELECT first.id, fresh.id, first.kind, 'create', 'sent', $5, $14, now() + $18
		FROM fresh, (VALUES ($16::uuid, 'event'), ($17::uuid, 'conference')) first (id, kind)
	)
	SELECT id FROM fresh`

// beginFresh begins the create of a class that has no row; it reports false, and changes nothing, where there is one, or where
// the slots fit nowhere. As nearly every class is created once, this is what a create costs: one round trip, and one commit, for
// Postgres takes a batch for a transaction. Nobody who waits for the gateways waits for more than that.
func (s *Store) beginFresh(ctx context.Context, c minigroup.CreateEntry) (begun minigroup.BegunCreate, fresh bool, err error) {
	begun = minigroup.BegunCreate{State: minigroup.Creating, EventAttempt: c.EventAttempt, ConferenceAttempt: c.ConferenceAttempt}
	args := append(rowOf(c.Run, minigroup.Creating, c.CreateRequest, nil), c.EventAttempt, c.ConferenceAttempt, c.RequestTimeout)
	var batch pgx.Batch // the class first, then the gateways: so everybody locks
	batch.Queue(freshCreate, args...).QueryRow(func(row pgx.Row) error {
		var id uuid.UUID
		err := row.Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		fresh = err == nil
		return err
	})
	if c.Reserves() {
		begun.Reservation = c.Reservation
		forRequest(c.CreateRequest, c.Group).queueFresh(&batch, c)
	}
	err = s.pool.SendBatch(ctx, &batch).Close()
	if isRolledBack(err) || err == nil && !fresh {
		return minigroup.BegunCreate{}, false, nil
	}
	return begun, true, wrap("begin create", err)
}

// isRolledBack reports whether Postgres has undone a begin that may go another way: the slots fit nowhere, or somebody else was
// in the way.
func isRolledBack(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) &&
		(isDeadlock(pgErr) || pgErr.Code == "23502" && pgErr.ColumnName == "backend_id")
}

// beginAgain begins a create of a class that has a row, or that has none and could not be begun at once.
func beginAgain(ctx context.Context, tx pgx.Tx, c minigroup.CreateEntry) (minigroup.BegunCreate, error) {
	begun := minigroup.BegunCreate{State: minigroup.Creating}
	if _, err := insertRow(ctx, tx, c.Run, minigroup.Creating, c.CreateRequest, nil); err != nil {
		return begun, err
	}
	row, err := lockRow(ctx, tx, c.ID)
	if err != nil {
		return begun, err
	}
	if row.state == minigroup.Ready || (row.owner == c.Run && row.state != minigroup.Creating) {
		return minigroup.BegunCreate{State: row.state, Failure: row.failure}, nil
	}
	if err := row.allows(c.Claim); err != nil {
		return begun, err
	}
	if err := takeForCreate(ctx, tx, c.Run, c.CreateRequest); err != nil {
		return begun, err
	}
	if err := releaseOtherDrafts(ctx, tx, c.CreateRequest); err != nil {
		return begun, err
	}
	if begun.PendingClose, err = roomsPendingCloseOf(ctx, tx, c.ID); err != nil {
		return begun, err
	}
	first := minigroup.AttemptEntry{
		Run: c.Run, ClassID: c.ID, Operation: minigroup.ForCreate, Fingerprint: c.Fingerprint, RequestTimeout: c.RequestTimeout,
	}
	if begun.EventAttempt, err = firstAttempt(ctx, tx, first, minigroup.EventRoom, c.EventAttempt); err != nil {
		return begun, err
	}
	if begun.ConferenceAttempt, err = firstAttempt(ctx, tx, first, minigroup.ConferenceRoom, c.ConferenceAttempt); err != nil {
		return begun, err
	}
	if c.Reserves() {
		begun.Reservation, err = reserveForCreate(ctx, tx, c)
	}
	return begun, err
}

// AcceptCreate makes the row tell that the run is creating the minigroup, so that a caller who was told to come back
// finds it, also when the run has not begun. It changes nothing where the run has begun or decided already, and returns
// *minigroup.OwnedError as BeginCreate does.
func (s *Store) AcceptCreate(ctx context.Context, claim minigroup.Claim, r minigroup.CreateRequest) error {
	return s.inTx(ctx, "announce create", func(tx pgx.Tx) error {
		fresh, err := insertRow(ctx, tx, claim.Run, minigroup.Creating, r, nil)
		if err != nil || fresh {
			return err
		}
		row, err := lockRow(ctx, tx, r.ID)
		if err != nil {
			return err
		}
		if row.state == minigroup.Ready || row.owner == claim.Run {
			return nil
		}
		if err := row.allows(claim); err != nil {
			return err
		}
		if err := takeForCreate(ctx, tx, claim.Run, r); err != nil {
			return err
		}
		return releaseOtherDrafts(ctx, tx, r)
	})
}

// Establish is the commit point of a create: from here on the minigroup is ready and nothing is undone. It demands that
// the run owns the row, that both rooms are held, all locked that was asked for, and the slots held where reserved.
// Done twice it does the same once. It returns the minigroup, or *minigroup.SupersededError where the run may not establish any
// more. Where conference has closed the room already, the class ends.
func (s *Store) Establish(ctx context.Context, run string, id uuid.UUID, gateways bool) (minigroup.Minigroup, error) {
	var m minigroup.Minigroup // without an update: none begins before this
	var closed bool
	err := scanMinigroup(s.pool.QueryRow(ctx, `
		UPDATE minigroup m SET state = 'ready', changed_at = now(),
			event_room_id = event.room_id, conference_room_id = conference.room_id
		FROM room_attempt event, room_attempt conference
		WHERE m.id = $1 AND m.owner = $2 AND m.state = 'creating'
			AND event.class_id = m.id AND event.kind = 'event' AND event.operation = 'create'
			AND event.state = 'held' AND event.fingerprint = m.fingerprint
			AND (event.locked OR NOT (m.locked_chat OR m.locked_questions))
			AND conference.class_id = m.id AND conference.kind = 'conference' AND conference.operation = 'create'
			AND conference.state = 'held' AND conference.fingerprint = m.fingerprint
			AND (NOT $3 OR coalesce(m.reserve, 0) = 0 OR EXISTS (
				SELECT 1 FROM janus_reservation r
				WHERE r.class_id = $1 AND r.state = 'held' AND r.fingerprint = m.fingerprint))
		RETURNING `+minigroupColumns+`, EXISTS (SELECT FROM closed_room c WHERE c.room_id = conference.room_id)`,
		id, run, gateways), &m, &closed)
	switch {
	case err == nil && !closed:
		return m, nil
	case err == nil:
		_, err = s.endEach(ctx, []uuid.UUID{id}, hasClosed)
	case errors.Is(err, pgx.ErrNoRows):
		err = nil
	}
	if err != nil {
		return minigroup.Minigroup{}, wrap("establish", err)
	}
	m, err = s.ByID(ctx, id)
	switch {
	case err != nil:
		return minigroup.Minigroup{}, wrap("establish", err)
	case m.State == minigroup.Ready:
		return m, nil
	case m.Run != run || m.State != minigroup.Creating:
		return minigroup.Minigroup{}, minigroup.Supersededf("the minigroup is %s and belongs to run %s", m.State, m.Run)
	default:
		return minigroup.Minigroup{}, minigroup.Supersededf("a room, its locks or the slots are not held any more")
	}
}

// firstAttempt writes the first attempt of a kind, unless a room is held or a request may still bring one.
func firstAttempt(ctx context.Context, tx pgx.Tx, n minigroup.AttemptEntry, kind minigroup.RoomKind, id uuid.UUID) (uuid.UUID, error) {
	tag, err := tx.Exec(ctx, `
		INSERT INTO room_attempt (id, class_id, kind, operation, state, run, fingerprint, expires_at)
		SELECT $1, $2, $3, $7, 'sent', $4, $5, now() + $6
		WHERE NOT EXISTS (
			SELECT 1 FROM room_attempt WHERE class_id = $2 AND kind = $3 AND operation = $7 AND fingerprint = $5
				AND (state = 'held' OR (state = 'sent' AND expires_at > now())))`,
		id, n.ClassID, kind, n.Run, n.Fingerprint, n.RequestTimeout, n.Operation)
	if err != nil {
		return uuid.Nil, fmt.Errorf("write %s attempt: %w", kind, err)
	}
	if tag.RowsAffected() == 0 {
		return uuid.Nil, nil
	}
	return id, nil
}
