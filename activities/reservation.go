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

// ReservationLedger knows the reservations of slots.
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

// ReserveSlots makes the gateway show a reservation of the ledger. It returns superseded for a reservation that was
// released meanwhile. A cancel does not interrupt the request: the gateway would execute it all the same, and only the
// reply lets this step remove what it has made.
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

// MoveReservationInput asks to reserve on another gateway.
type MoveReservationInput struct {
	Request stored.CreateRequest `json:"request"`
	From    uuid.UUID            `json:"from"`
	To      uuid.UUID            `json:"to"`
}

// MoveReservation releases a reservation whose gateway does not answer and makes one on another gateway, with the given
// id. It is refused with capacity_exceeded if the slots fit on no other gateway.
func (a *Activities) MoveReservation(ctx context.Context, in MoveReservationInput) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	return toApplicationError(
		a.Ledger.MoveReservation(ctx, runID(ctx), in.Request.Request(), in.From, in.To, a.Settings.Group))
}

// SyncGateways brings the gateways to what the ledger says about a class. It is the last step of an update, and no step
// depends on it: what fails here is repeated by the sweeper.
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

// syncReservation brings the gateway to what the ledger says about one reservation.
func (a *Activities) syncReservation(ctx context.Context, r minigroup.Reservation) error {
	if r.State == minigroup.ReservationReleasing {
		return a.release(ctx, r)
	}
	if err := a.reserve(ctx, r); err != nil {
		return err
	}
	err := a.held(ctx, r)
	var superseded *minigroup.SupersededError
	if errors.As(err, &superseded) { // released during the request: remove what the request has made
		return errors.Join(err, a.release(ctx, r))
	}
	return err
}

// held records that the gateway has the room. It only reads a reservation that was held before, which spares a write.
// It returns *minigroup.SupersededError if the reservation was released meanwhile.
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

// secondRemoval is how long after the first removal a room is removed again, if a request for it was not answered.
const secondRemoval = 2 * time.Second

// release removes the room from the gateway. If a request for it was not answered, the gateway may execute that request
// after the removal, so the room is removed again after a pause.
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
