package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/stored"
)

// ReservationLedger records the reservations of slots.
type ReservationLedger interface {
	Reservation(ctx context.Context, id uuid.UUID) (minigroup.Reservation, error)
	OpenReservations(ctx context.Context, classID uuid.UUID) ([]minigroup.Reservation, error)
	MoveReservation(
		ctx context.Context, run string, r minigroup.CreateRequest, from, to uuid.UUID, group string,
	) error
	ReservationHeld(ctx context.Context, id uuid.UUID) error
	ReservationDoubtful(ctx context.Context, id uuid.UUID) error
	ReservationReleased(ctx context.Context, id uuid.UUID) error
}

// ReservationRef names a reservation.
type ReservationRef struct {
	ID uuid.UUID `json:"id"`
}

// ReserveSlots makes the room of a reservation on its gateway. It returns superseded if the reservation was released in
// the meantime. A cancel does not interrupt the request, because the gateway may execute it anyway, and only the reply
// tells this step whether there is a room to remove.
func (a *Activities) ReserveSlots(ctx context.Context, in ReservationRef) error {
	ctx, cancel := a.gatewayStep(context.WithoutCancel(ctx))
	defer cancel()
	r, err := a.Ledger.Reservation(ctx, in.ID)
	if err != nil {
		return toApplicationError(err)
	}
	if r.State == minigroup.ReservationReleasing || r.State == minigroup.ReservationReleased {
		return toApplicationError(minigroup.Supersededf("reservation %s was released", r.ID))
	}
	return toApplicationError(a.syncReservation(ctx, r))
}

// MoveReservationInput is the input of MoveReservation: From is the present reservation, To the id of the new one.
type MoveReservationInput struct {
	Request stored.CreateRequest `json:"request"`
	From    uuid.UUID            `json:"from"`
	To      uuid.UUID            `json:"to"`
}

// MoveReservation releases a reservation whose gateway does not answer, and makes one on another gateway. It fails with
// capacity_exceeded if no other gateway has enough slots.
func (a *Activities) MoveReservation(ctx context.Context, in MoveReservationInput) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	return toApplicationError(
		a.Ledger.MoveReservation(ctx, runID(ctx), in.Request.Request(), in.From, in.To, a.Settings.Group))
}

// SyncGateways makes the gateways match the reservations of a class. It is the last step of an update and may fail: the
// sweeper does the same.
func (a *Activities) SyncGateways(ctx context.Context, in ClassRef) error {
	ctx, cancel := a.gatewayStep(ctx)
	defer cancel()
	defer a.Runs.Decided(in.ID)
	open, err := a.Ledger.OpenReservations(ctx, in.ID)
	if err != nil {
		return toApplicationError(err)
	}
	var errs []error
	for _, r := range open {
		errs = append(errs, a.syncReservation(ctx, r))
	}
	return toApplicationError(errors.Join(errs...))
}

// syncReservation makes the gateway match one reservation of the ledger.
func (a *Activities) syncReservation(ctx context.Context, r minigroup.Reservation) error {
	if r.State == minigroup.ReservationReleasing {
		return a.release(ctx, r)
	}
	if err := a.reserve(ctx, r); err != nil {
		return err
	}
	err := a.held(ctx, r)
	var superseded *minigroup.SupersededError
	if errors.As(err, &superseded) { // released during the request, which may have made the room after its removal
		return errors.Join(err, a.release(ctx, r))
	}
	return err
}

// held records that the gateway has the room. If the reservation was held before, held only reads it, which spares a
// write. It returns *minigroup.SupersededError if the reservation was released in the meantime.
func (a *Activities) held(ctx context.Context, r minigroup.Reservation) error {
	if r.State != minigroup.ReservationHeld {
		return a.Ledger.ReservationHeld(ctx, r.ID)
	}
	now, err := a.Ledger.Reservation(ctx, r.ID)
	if err == nil && now.State != minigroup.ReservationHeld {
		err = minigroup.Supersededf("reservation %s was released", r.ID)
	}
	return err
}

// roomPrefix begins the description of every room that this service makes on a gateway.
const roomPrefix = "minigroup:"

func (a *Activities) reserve(ctx context.Context, r minigroup.Reservation) error {
	request, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	err := a.Janus.Reserve(request, r.Backend, r.ID, r.Slots, roomPrefix+r.ClassID.String())
	cancel()
	var upstream *minigroup.UpstreamError
	if errors.As(err, &upstream) && upstream.MaybeDone {
		return errors.Join(err, a.Ledger.ReservationDoubtful(context.WithoutCancel(ctx), r.ID))
	}
	return err
}

// secondRemoval is the pause before a room is removed again because a request for it was not answered.
const secondRemoval = 2 * time.Second

// release removes the room from the gateway and records that. If a request to make the room was not answered, the
// gateway may execute it after the removal, so release removes the room again after a pause.
func (a *Activities) release(ctx context.Context, r minigroup.Reservation) error {
	if err := a.remove(ctx, r.Backend, r.ID); err != nil {
		return err
	}
	if r.Doubtful {
		pause := time.NewTimer(secondRemoval)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-ctx.Done():
			return fmt.Errorf("release slots: %w before the second removal", ctx.Err())
		}
		if err := a.remove(ctx, r.Backend, r.ID); err != nil {
			return err
		}
	}
	return a.Ledger.ReservationReleased(ctx, r.ID)
}

// remove sends one request to remove a room.
func (a *Activities) remove(ctx context.Context, b minigroup.Backend, room uuid.UUID) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	return a.Janus.Release(ctx, b, room)
}

// gatewayStep bounds a step that may have to release a room: two requests and the pause between them.
func (a *Activities) gatewayStep(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 2*a.Settings.StepWait+secondRemoval)
}
