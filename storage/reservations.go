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

// reservations reads reservations r with their gateways b; the WHERE clause follows.
const reservations = `
	SELECT r.id, r.class_id, r.slots, r.state, r.doubtful, r.made,
		b.id, b.admin_url, b.janus_url, b."group", b.capacity, b.balancer_capacity
	FROM janus_reservation r JOIN janus_backend b ON b.id = r.backend_id `

func scanReservation(row pgx.CollectableRow) (r minigroup.Reservation, err error) {
	b := &r.Backend
	err = row.Scan(&r.ID, &r.ClassID, &r.Slots, &r.State, &r.Doubtful, &r.Made,
		&b.ID, &b.AdminURL, &b.JanusURL, &b.Group, &b.Capacity, &b.BalancerCapacity)
	return r, err
}

// Reservation reads a reservation and its gateway.
func (s *Store) Reservation(ctx context.Context, id uuid.UUID) (minigroup.Reservation, error) {
	rows, _ := s.pool.Query(ctx, reservations+`WHERE r.id = $1`, id) // CollectExactlyOneRow returns its error
	r, err := pgx.CollectExactlyOneRow(rows, scanReservation)
	if err != nil {
		return r, fmt.Errorf("read reservation: %w", err)
	}
	return r, nil
}

// ReservationOf reads the pending or held reservation of a class that was made for a create with this fingerprint, and
// its gateway. It returns *minigroup.SupersededError if there is none: the create was undone.
func (s *Store) ReservationOf(
	ctx context.Context, classID uuid.UUID, fingerprint string,
) (minigroup.Reservation, error) {
	rows, _ := s.pool.Query(ctx, reservations+`
		WHERE r.class_id = $1 AND r.state IN ('pending', 'held') AND r.fingerprint = $2`, classID, fingerprint)
	r, err := pgx.CollectExactlyOneRow(rows, scanReservation)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, minigroup.Supersededf("the slots of class %s were released", classID)
	}
	if err != nil {
		return r, fmt.Errorf("read reservation: %w", err)
	}
	return r, nil
}

// OpenReservations lists the reservations of a class that are not released.
func (s *Store) OpenReservations(ctx context.Context, classID uuid.UUID) ([]minigroup.Reservation, error) {
	return list(ctx, s.pool, "list open reservations", scanReservation,
		reservations+`WHERE r.class_id = $1 AND r.state <> 'released' ORDER BY r.created_at`, classID)
}

// GatewayRooms lists the reservations whose rooms a gateway has or should have: those that are not released and were
// not changed within minAge, including those that are to be released.
func (s *Store) GatewayRooms(
	ctx context.Context, backend string, minAge time.Duration,
) ([]minigroup.Reservation, error) {
	return list(ctx, s.pool, "list reservations of gateway "+backend, scanReservation, reservations+`
		WHERE r.backend_id = $1 AND r.state <> 'released' AND r.changed_at < now() - $2::interval
		ORDER BY r.created_at`, backend, minAge)
}

// Strays returns those of a gateway's rooms that no reservation has: it was released more than minAge ago, and the
// gateway has executed a request late; or the ledger has lost it in a restore, and has the class.
func (s *Store) Strays(
	ctx context.Context, rooms []minigroup.GatewayRoom, minAge time.Duration,
) ([]uuid.UUID, error) {
	ids, classes := make([]uuid.UUID, len(rooms)), make([]uuid.UUID, len(rooms))
	for i, r := range rooms {
		ids[i], classes[i] = r.ID, r.ClassID
	}
	return list(ctx, s.pool, "list strays", pgx.RowTo[uuid.UUID], `
		SELECT room.id FROM unnest($1::uuid[], $2::uuid[]) AS room (id, class_id)
		WHERE EXISTS (
				SELECT FROM janus_reservation r
				WHERE r.id = room.id AND r.state = 'released' AND r.changed_at < now() - $3::interval OFFSET 0)
			OR EXISTS (SELECT FROM minigroup m WHERE m.id = room.class_id AND m.changed_at < now() - $3::interval OFFSET 0)
				AND NOT EXISTS (SELECT FROM janus_reservation r WHERE r.id = room.id OFFSET 0)`, ids, classes, minAge)
}

// MoveReservation gives up the reservation of a create, whose gateway does not answer or answers wrongly, and reserves
// the same under the id to, on another gateway that is not away. It returns CapacityExceeded, and changes nothing, if
// the slots fit on no such gateway, and *minigroup.SupersededError if the run does not carry out the create any more.
// Called twice, it does the same once.
func (s *Store) MoveReservation(
	ctx context.Context, run string, request minigroup.CreateRequest, from, to uuid.UUID, group string,
) error {
	a := forCreate(run, request, group, to)
	err := s.inTx(ctx, "move reservation", func(tx pgx.Tx) error {
		row, err := lockRow(ctx, tx, a.class)
		if err != nil {
			return err
		}
		if err := row.requireOwner(run, minigroup.Creating); err != nil {
			return err
		}
		var moved bool
		// Gateways that may still have a room of this class are not tried again, and those that are away would not do.
		err = tx.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM janus_reservation WHERE id = $3), ARRAY(
				SELECT backend_id FROM janus_reservation WHERE class_id = $1 AND (id = $2 OR state = 'releasing')
				UNION SELECT id FROM janus_backend WHERE away_since IS NOT NULL)`, a.class, from, to).
			Scan(&moved, &a.except)
		if err != nil || moved {
			return err
		}
		var batch pgx.Batch
		batch.Queue(`
			UPDATE janus_reservation SET state = 'releasing', changed_at = now()
			WHERE id = $1 AND state IN ('pending', 'held')`, from)
		a.queue(&batch, new(uuid.UUID))
		batch.Queue(addMove, from, to, run)
		return tx.SendBatch(ctx, &batch).Close()
	})
	return capacityExceeded(err, a.slots)
}

// addMove adds to the history that the run $3 has moved the reservation $1 to $2.
const addMove = `
	SELECT add_history('gateway_moved', r.class_id, $3, NULL, jsonb_build_object(
		'from', r.backend_id, 'to', other.backend_id, 'slots', other.slots, 'why', nullif(b.away_reason, '')))
	FROM janus_reservation r JOIN janus_reservation other ON other.id = $2 JOIN janus_backend b ON b.id = r.backend_id
	WHERE r.id = $1`

// ReservationHeld records that the gateway has the room of the reservation, and returns the slots that the room must
// have. It establishes a minigroup as AnswerAttempt does. It returns *minigroup.SupersededError if the reservation was
// given up meanwhile: then the room must be removed again.
func (s *Store) ReservationHeld(
	ctx context.Context, id uuid.UUID, c minigroup.RunningCreate,
) (slots int32, established *minigroup.Minigroup, err error) {
	type result struct {
		slots       int32
		established *minigroup.Minigroup
	}
	r, err := inGroup(ctx, s, "hold reservation", func(batch *pgx.Batch, r *result) {
		batch.Queue(`
			UPDATE janus_reservation SET state = 'held', made = true, changed_at = now()
			WHERE id = $1 AND state IN ('pending', 'held') RETURNING slots`, id).Query(scanned(&r.slots))
		queueEstablish(batch, c, &r.established)
	})
	if err == nil && r.slots == 0 {
		err = minigroup.Supersededf("reservation %s was given up", id)
	}
	return r.slots, r.established, err
}

// ReservationDoubtful records that a request for this reservation was not answered and may still be executed.
func (s *Store) ReservationDoubtful(ctx context.Context, id uuid.UUID) error {
	return s.exec(ctx, "record doubtful reservation", `
		UPDATE janus_reservation SET doubtful = true, changed_at = now() WHERE id = $1 AND NOT doubtful`, id)
}

// ReservationReleased records that the gateway has no room for a reservation that was given up. Its slots are free from
// then on. Called twice, it does the same once.
func (s *Store) ReservationReleased(ctx context.Context, id uuid.UUID) error {
	return s.exec(ctx, "release reservation", releaseReservation, id)
}

const releaseReservation = `
	UPDATE janus_reservation SET state = 'released', changed_at = now() WHERE id = $1 AND state = 'releasing'`
