package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// ReservationRef names a reservation.
type ReservationRef struct {
	ID uuid.UUID `json:"id"`
}

// ReserveSlots makes the gateway show a reservation of the ledger. A reservation that was given up meanwhile is refused.
// A cancel does not hang the request up: the gateway would execute it all the same, and only its reply tells this step
// that what it made has to go again.
func (a *Activities) ReserveSlots(ctx context.Context, in ReservationRef) error {
	ctx, cancel := a.gatewayStep(context.WithoutCancel(ctx))
	defer cancel()
	r, err := a.Ledger.Reservation(ctx, in.ID)
	if err != nil {
		return toApplicationError(err)
	}
	if r.State == minigroup.ReservationReleasing || r.State == minigroup.ReservationReleased {
		return toApplicationError(minigroup.Supersededf("reservation %s was given up", r.ID))
	}
	return toApplicationError(a.syncReservation(ctx, r))
}

// MoveReservationInput asks to reserve on another gateway.
type MoveReservationInput struct {
	Draft Draft     `json:"draft"`
	From  uuid.UUID `json:"from"`
	To    uuid.UUID `json:"to"`
}

// MoveReservation gives up a reservation whose gateway does not answer for one on another gateway, under the id given.
// It is refused with capacity_exceeded where the slots fit on no other.
func (a *Activities) MoveReservation(ctx context.Context, in MoveReservationInput) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	return toApplicationError(a.Ledger.MoveReservation(ctx, runID(ctx), in.Draft.Minigroup(), in.From, in.To, a.Settings.Group))
}

// SyncGateways brings the gateways to what the ledger says of a class. Whoever calls it does not depend on it:
// what fails here stays on the ledger. It is the last step of an update.
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

// project brings the gateway to what the ledger says of one reservation.
func (a *Activities) syncReservation(ctx context.Context, r minigroup.Reservation) error {
	if r.State == minigroup.ReservationReleasing {
		return a.release(ctx, r)
	}
	if err := a.reserve(ctx, r); err != nil {
		return err
	}
	err := a.held(ctx, r)
	var superseded *minigroup.SupersededError
	if errors.As(err, &superseded) { // given up while we asked: what we made has to go again
		return errors.Join(err, a.release(ctx, r))
	}
	return err
}

// held notes that the gateway has the room. One that was held before is only looked at, as nothing is to be noted of it; both
// return *minigroup.SupersededError where it was given up meanwhile.
func (a *Activities) held(ctx context.Context, r minigroup.Reservation) error {
	if r.State != minigroup.ReservationHeld {
		return a.Ledger.ReservationHeld(ctx, r.ID)
	}
	now, err := a.Ledger.Reservation(ctx, r.ID)
	if err == nil && now.State != minigroup.ReservationHeld {
		err = minigroup.Supersededf("reservation %s was given up", r.ID)
	}
	return err
}

// roomPrefix begins the description of every room that we make on a gateway.
const roomPrefix = "minigroup:"

func (a *Activities) reserve(ctx context.Context, r minigroup.Reservation) error {
	asking, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	err := a.Janus.Reserve(asking, r.Backend, r.ID, r.Slots, roomPrefix+r.ClassID.String())
	cancel()
	var upstream *minigroup.UpstreamError
	if errors.As(err, &upstream) && upstream.MaybeDone {
		return errors.Join(err, a.Ledger.ReservationDoubtful(context.WithoutCancel(ctx), r.ID))
	}
	return err
}

// secondLook is how long after a release the gateway is looked at again for a request that it executed late.
const secondLook = 2 * time.Second

// release removes the room from the gateway. Where a request went unanswered the gateway may execute it after the
// removal, so it is removed once more after a pause.
func (a *Activities) release(ctx context.Context, r minigroup.Reservation) error {
	if err := a.remove(ctx, r.Backend, r.ID); err != nil {
		return err
	}
	if r.Doubtful {
		pause := time.NewTimer(secondLook)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-ctx.Done():
			return fmt.Errorf("release slots: %w before the second look", ctx.Err())
		}
		if err := a.remove(ctx, r.Backend, r.ID); err != nil {
			return err
		}
	}
	return a.Ledger.ReservationReleased(ctx, r.ID)
}

// remove asks the gateway once.
func (a *Activities) remove(ctx context.Context, b minigroup.Backend, room uuid.UUID) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	return a.Janus.Release(ctx, b, room)
}

// gatewayStep bounds a step that may have to release: two requests, and the second look between them.
func (a *Activities) gatewayStep(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 2*a.Settings.StepWait+secondLook)
}
