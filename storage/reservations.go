package storage

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// MoveReservation gives up the pending reservation of a create, whose gateway does not answer, and reserves the same on
// another gateway under the fresh id. It returns CapacityExceeded, and changes nothing, where it fits on no other, and
// *minigroup.SupersededError where the run does not own a creating row any more. Done twice it does the same once.
func (s *Store) MoveReservation(
	ctx context.Context, run string, request minigroup.CreateRequest, from, to uuid.UUID, group string,
) error {
	a := forCreate(run, request, group, to)
	err := s.inTx(ctx, "move reservation", func(tx pgx.Tx) error {
		row, err := lockRow(ctx, tx, a.class)
		if err != nil {
			return err
		}
		if err := row.demand(run, minigroup.Creating); err != nil {
			return err
		}
		var moved bool
		// Gateways that this class has given up already are not tried again.
		err = tx.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM janus_reservation WHERE id = $3), array_agg(DISTINCT backend_id)
			FROM janus_reservation WHERE class_id = $1 AND (id = $2 OR state = 'releasing')`, a.class, from, to).
			Scan(&moved, &a.except)
		if err != nil || moved {
			return err
		}
		var batch pgx.Batch
		batch.Queue(`
			UPDATE janus_reservation SET state = 'releasing', changed_at = now()
			WHERE id = $1 AND state IN ('pending', 'held')`, from)
		a.queue(&batch, new(uuid.UUID))
		return tx.SendBatch(ctx, &batch).Close()
	})
	return capacityExceeded(err, a.slots)
}

// reservations reads reservations with their gateways; the rest of the query follows.
const reservations = `
	SELECT r.id, r.class_id, r.slots, r.state, r.doubtful, b.id, b.admin_url, b.janus_url, b."group", b.capacity, b.balancer_capacity
	FROM janus_reservation r JOIN janus_backend b ON b.id = r.backend_id `

func scanReservation(row pgx.CollectableRow) (r minigroup.Reservation, err error) {
	b := &r.Backend
	return r, row.Scan(&r.ID, &r.ClassID, &r.Slots, &r.State, &r.Doubtful, &b.ID, &b.AdminURL, &b.JanusURL, &b.Group, &b.Capacity, &b.BalancerCapacity)
}

// Reservation reads a reservation and its gateway.
func (s *Store) Reservation(ctx context.Context, id uuid.UUID) (minigroup.Reservation, error) {
	rows, _ := s.pool.Query(ctx, reservations+`WHERE r.id = $1`, id) // its error is also that of the rows
	r, err := pgx.CollectExactlyOneRow(rows, scanReservation)
	if err != nil {
		return r, fmt.Errorf("read reservation: %w", err)
	}
	return r, nil
}

// OpenReservations lists the reservations of a class that are not released.
func (s *Store) OpenReservations(ctx context.Context, classID uuid.UUID) ([]minigroup.Reservation, error) {
	return list(ctx, s.pool, "read reservations", scanReservation,
		reservations+`WHERE r.class_id = $1 AND r.state <> 'released' ORDER BY r.created_at`, classID)
}

func releasingReservations(ctx context.Context, tx pgx.Tx, classID uuid.UUID) ([]uuid.UUID, error) {
	return list(ctx, tx, "list reservations", pgx.RowTo[uuid.UUID],
		`SELECT id FROM janus_reservation WHERE class_id = $1 AND state = 'releasing' ORDER BY created_at`, classID)
}

// ReservationHeld notes that the gateway has the room. It returns *minigroup.SupersededError where the reservation was
// given up meanwhile: then the room has to go again.
func (s *Store) ReservationHeld(ctx context.Context, id uuid.UUID) error {
	tag, err := s.pool.Exec(ctx, `
		UPDATE janus_reservation SET state = 'held', changed_at = now() WHERE id = $1 AND state IN ('pending', 'held')`, id)
	if err != nil {
		return fmt.Errorf("hold reservation: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return minigroup.Supersededf("reservation %s was given up", id)
	}
	return nil
}

// ReservationDoubtful notes that a request for this reservation went unanswered and may still be executed.
func (s *Store) ReservationDoubtful(ctx context.Context, id uuid.UUID) error {
	return s.exec(ctx, "doubt reservation", `UPDATE janus_reservation SET doubtful = true, changed_at = now() WHERE id = $1 AND NOT doubtful`, id)
}

// ReservationReleased notes that the gateway has no room for a reservation that was given up. Its slots are free from
// here on. Done twice it does the same once.
func (s *Store) ReservationReleased(ctx context.Context, id uuid.UUID) error {
	return s.exec(ctx, "release reservation", `
		UPDATE janus_reservation SET state = 'released', changed_at = now() WHERE id = $1 AND state = 'releasing'`, id)
}
