package storage

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"minigroups/minigroup"
)

// BeginCreate takes the row for the run, or makes it, and writes what the run is about to request: an attempt at each
// room and, where slots are asked for, their reservation. What an equal draft holds is kept; what another draft has left
// is marked for closing. A minigroup that is ready is not changed. Done twice by the same run, it does the same once.
//
// It returns *minigroup.OwnedError where another run owns the row, and CapacityExceeded where the slots fit nowhere.
func (s *Store) BeginCreate(ctx context.Context, c minigroup.CreateEntry) (minigroup.BegunCreate, error) {
	// Nearly every class is created once, by one run. So this is what a create costs: one round trip and one commit,
	// for Postgres takes a batch for a transaction. Other admissions wait for no more than that.
	var fresh bool
	var row lockedRow
	var begun minigroup.BegunCreate
	err := s.inBatch(ctx, "begin create", func(batch *pgx.Batch) {
		begun = minigroup.BegunCreate{State: minigroup.Creating}
		batch.Queue(insertMinigroup, rowOf(c.Run, minigroup.Creating, c.CreateRequest, nil)...).Exec(func(tag pgconn.CommandTag) error {
			fresh = tag.RowsAffected() == 1
			return nil
		})
		batch.Queue(lockMinigroup, c.ID).QueryRow(func(r pgx.Row) (err error) {
			row, err = scanLocked(r)
			return err
		})
		queueCreate(batch, c, &begun)
	})
	switch {
	case err != nil:
		return minigroup.BegunCreate{}, capacityExceeded(err, c.Slots())
	case fresh:
		return begun, nil
	case row.owner == c.Run && row.state == minigroup.Creating:
		begun.PendingClose, err = s.RoomsPendingClose(ctx, c.ID)
		return begun, err
	}
	err = s.inTx(ctx, "take over create", func(tx pgx.Tx) (err error) {
		begun, err = takeOverCreate(ctx, tx, c)
		return err
	})
	return begun, capacityExceeded(err, c.Slots())
}

// queueCreate adds to a batch that has locked the row what a create is about to request. Nothing is written unless the
// row is the run's and creating.
func queueCreate(batch *pgx.Batch, c minigroup.CreateEntry, begun *minigroup.BegunCreate) {
	first := firstAttempts{
		class: c.ID, run: c.Run, event: c.EventAttempt, conference: c.ConferenceAttempt,
		timeout: c.RequestTimeout,
	}
	first.queue(batch, &begun.EventAttempt, &begun.ConferenceAttempt)
	if c.Reserves() {
		forCreate(c.Run, c.CreateRequest, c.Group, c.Reservation).queue(batch, &begun.Reservation)
	}
}

// takeOverCreate begins a create whose row is another run's, or is not creating.
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
	if err := releaseOtherDrafts(ctx, tx, c.CreateRequest); err != nil {
		return begun, err
	}
	if begun.PendingClose, err = roomsPendingCloseOf(ctx, tx, c.ID); err != nil {
		return begun, err
	}
	var batch pgx.Batch
	queueCreate(&batch, c, &begun)
	return begun, tx.SendBatch(ctx, &batch).Close()
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
