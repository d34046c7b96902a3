package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// BeginCreate takes the row for the run, or inserts it, and writes what the run is about to request: an attempt at each
// room and, if slots are requested, their reservation. What an equal request holds is kept; what another request has
// left is marked for closing. BeginCreate does not change a ready minigroup. Called twice by the same run, it does the
// same once.
//
// It returns *minigroup.OwnedError if another run owns the row, and CapacityExceeded if the slots fit on no gateway.
func (s *Store) BeginCreate(ctx context.Context, c minigroup.CreateEntry) (minigroup.BegunCreate, error) {
	// Nearly every class is created once, by one run. For those, this batch is all: one round trip and one commit, during
	// which other admissions wait.
	type result struct {
		fresh bool
		row   lockedRow
		begun minigroup.BegunCreate
	}
	first, err := inGroup(ctx, s, "begin create", func(batch *pgx.Batch, r *result) {
		r.begun = minigroup.BegunCreate{State: minigroup.Creating}
		batch.Queue(insertMinigroup, rowOf(c.Run, minigroup.Creating, c.CreateRequest, nil)...).Exec(wrote(&r.fresh))
		batch.Queue(lockMinigroup, c.ID).QueryRow(func(row pgx.Row) (err error) {
			r.row, err = scanLocked(row)
			return err
		})
		queueCreate(batch, c, &r.begun)
	})
	begun := first.begun
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return minigroup.BegunCreate{}, errScopeTaken
	case err != nil:
		return minigroup.BegunCreate{}, capacityExceeded(err, c.Slots())
	case first.fresh:
		return begun, nil
	case first.row.owner == c.Run && first.row.state == minigroup.Creating:
		begun.PendingClose, err = s.RoomsPendingClose(ctx, c.ID)
		return begun, err
	}
	err = s.inTx(ctx, "take over create", func(tx pgx.Tx) (err error) {
		begun, err = takeOverCreate(ctx, tx, c)
		return err
	})
	return begun, capacityExceeded(err, c.Slots())
}

// errScopeTaken is the error of a create that has found no row of its id and could not insert one: since its request
// was accepted, a minigroup with another id was imported for its scope. The same request, sent again, finds that one.
var errScopeTaken = minigroup.Supersededf("the scope belongs to a minigroup that was imported")

// queueCreate adds to a batch, after the lock of the minigroup, what a create is about to request. Its statements write
// nothing unless the row is the run's and creating.
func queueCreate(batch *pgx.Batch, c minigroup.CreateEntry, begun *minigroup.BegunCreate) {
	firstAttempts{
		class: c.ID, run: c.Run, event: c.EventAttempt, conference: c.ConferenceAttempt, timeout: c.RequestTimeout,
	}.queue(batch, &begun.EventAttempt, &begun.ConferenceAttempt)
	if c.Reserves() {
		forCreate(c.Run, c.CreateRequest, c.Group, c.Reservation).queue(batch, &begun.Reservation)
	}
}

// takeOverCreate begins a create whose row another run owns, or is not creating.
func takeOverCreate(ctx context.Context, tx pgx.Tx, c minigroup.CreateEntry) (minigroup.BegunCreate, error) {
	begun := minigroup.BegunCreate{State: minigroup.Creating}
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
	if err := releaseOtherRequests(ctx, tx, c.CreateRequest); err != nil {
		return begun, err
	}
	if begun.PendingClose, err = roomsPendingCloseOf(ctx, tx, c.ID); err != nil {
		return begun, err
	}
	var batch pgx.Batch
	queueCreate(&batch, c, &begun)
	return begun, tx.SendBatch(ctx, &batch).Close()
}

// AcceptCreate makes the row say that the run is creating the minigroup, so that a caller who received 202 finds it
// even if the run has not begun. It changes nothing if the run has begun or ended, or if the minigroup is ready. It
// returns *minigroup.OwnedError if another run owns the row.
func (s *Store) AcceptCreate(ctx context.Context, claim minigroup.Claim, r minigroup.CreateRequest) error {
	return s.inTx(ctx, "accept create", func(tx pgx.Tx) error {
		fresh, err := insertRow(ctx, tx, claim.Run, minigroup.Creating, r, nil)
		if err != nil || fresh {
			return err
		}
		row, err := lockRow(ctx, tx, r.ID)
		if errors.Is(err, pgx.ErrNoRows) {
			return errScopeTaken
		}
		if err != nil || row.state == minigroup.Ready || row.owner == claim.Run {
			return err
		}
		if err := row.allows(claim); err != nil {
			return err
		}
		if err := takeForCreate(ctx, tx, claim.Run, r); err != nil {
			return err
		}
		return releaseOtherRequests(ctx, tx, r)
	})
}

// releaseOtherRequests marks the rooms and slots for closing that were requested for another create of the class.
func releaseOtherRequests(ctx context.Context, tx pgx.Tx, r minigroup.CreateRequest) error {
	_, err := tx.Exec(ctx, `
		UPDATE room_attempt SET state = 'releasing', changed_at = now()
		WHERE class_id = $1 AND state IN ('sent', 'held') AND fingerprint <> $2`, r.ID, r.Fingerprint)
	if err != nil {
		return fmt.Errorf("mark rooms of another request for closing: %w", err)
	}
	_, err = tx.Exec(ctx, `
		UPDATE janus_reservation SET state = 'releasing', next_slots = NULL, next_during = NULL, changed_at = now()
		WHERE class_id = $1 AND state IN ('pending', 'held') AND fingerprint <> $2`, r.ID, r.Fingerprint)
	return wrap("give back slots of another request", err)
}

// establish makes the minigroup $1 of the run $2 ready with the rooms that it holds. It requires that everything is
// locked that is to be, and with $3 that the slots are held.
const establish = `
	UPDATE minigroup m SET state = 'ready', changed_at = now(),
		event_room_id = event.room_id, conference_room_id = conference.room_id
	FROM room_attempt event, room_attempt conference
	WHERE ` + isComplete + `
	RETURNING ` + minigroupColumns + `, EXISTS (SELECT FROM closed_room c WHERE c.room_id = conference.room_id)`

// isComplete is the condition that the create of the minigroup m, which is $1, of the run $2 has all that it needs: the
// rooms event and conference, and with $3 its slots.
const isComplete = `m.id = $1 AND m.owner = $2 AND m.state = 'creating'
		AND event.class_id = m.id AND event.kind = 'event' AND event.operation = 'create'
		AND event.state = 'held' AND event.fingerprint = m.fingerprint
		AND (event.locked OR NOT (m.locked_chat OR m.locked_questions))
		AND conference.class_id = m.id AND conference.kind = 'conference' AND conference.operation = 'create'
		AND conference.state = 'held' AND conference.fingerprint = m.fingerprint
		AND (NOT $3 OR coalesce(m.reserve, 0) = 0 OR EXISTS (
			SELECT FROM janus_reservation r
			WHERE r.class_id = $1 AND r.state = 'held' AND r.fingerprint = m.fingerprint))`

// establishIfComplete is establish for a write that may have completed the create. That write has locks of its own, so
// it does not wait for that of the minigroup, and leaves to Establish what it cannot do. It does not end a class.
const establishIfComplete = `
	WITH complete AS MATERIALIZED (
		SELECT m.id, event.room_id AS event, conference.room_id AS conference
		FROM minigroup m, room_attempt event, room_attempt conference
		WHERE ` + isComplete + ` AND NOT EXISTS (SELECT FROM closed_room c WHERE c.room_id = conference.room_id)
		FOR UPDATE OF m SKIP LOCKED
	)
	UPDATE minigroup m SET state = 'ready', changed_at = now(), event_room_id = event, conference_room_id = conference
	FROM complete WHERE m.id = complete.id
	RETURNING ` + minigroupColumns

// queueEstablish adds to a batch, after a write for a create, what establishes the minigroup if that was the last one.
func queueEstablish(batch *pgx.Batch, c minigroup.RunningCreate, established **minigroup.Minigroup) {
	if c == (minigroup.RunningCreate{}) {
		return
	}
	batch.Queue(establishIfComplete, c.ClassID, c.Run, c.Gateways).Query(ifRow(func(row pgx.Row) error {
		*established = new(minigroup.Minigroup)
		return scanMinigroup(row, *established)
	}))
}

// Establish is the commit point of a create: the minigroup becomes ready, and the create is not undone any more. It
// requires that the run owns the row, that both rooms are held, that everything is locked that the request asks for,
// and, with gateways, that the slots are held. If conference has closed the room already, the class ends. Establish
// returns the minigroup, or *minigroup.SupersededError if the run may not establish it. Called twice, it does the same
// once.
func (s *Store) Establish(ctx context.Context, run string, id uuid.UUID, gateways bool) (minigroup.Minigroup, error) {
	m, closed, err := s.establish(ctx, run, id, gateways)
	switch {
	case err == nil && !closed:
		return m, nil
	case err == nil:
		_, err = s.endEach(ctx, []uuid.UUID{id}, endClosed)
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

// establish returns pgx.ErrNoRows if the minigroup was not made ready, and whether conference has closed its room. The
// minigroup has no update yet.
func (s *Store) establish(
	ctx context.Context, run string, id uuid.UUID, gateways bool,
) (m minigroup.Minigroup, closed bool, err error) {
	type result struct {
		minigroup minigroup.Minigroup
		closed    bool
	}
	r, err := inGroup(ctx, s, "establish", func(batch *pgx.Batch, r *result) {
		batch.Queue(establish, id, run, gateways).Query(ifRow(func(row pgx.Row) error {
			return scanMinigroup(row, &r.minigroup, &r.closed)
		}))
	})
	if err == nil && r.minigroup.ID == uuid.Nil {
		err = pgx.ErrNoRows
	}
	return r.minigroup, r.closed, err
}
