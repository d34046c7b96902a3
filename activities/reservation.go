package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"

	"minigroups/minigroup"
	"minigroups/stored"
)

// ReservationLedger records the reservations of slots.
type ReservationLedger interface {
	Reservation(ctx context.Context, id uuid.UUID) (minigroup.Reservation, error)
	ReservationOf(ctx context.Context, classID uuid.UUID, fingerprint string) (minigroup.Reservation, error)
	OpenReservations(ctx context.Context, classID uuid.UUID) ([]minigroup.Reservation, error)
	MoveReservation(
		ctx context.Context, run string, r minigroup.CreateRequest, from, to uuid.UUID, group string,
	) error
	ReservationHeld(
		ctx context.Context, id uuid.UUID, c minigroup.RunningCreate,
	) (slots int32, established *minigroup.Minigroup, err error)
	ReservationDoubtful(ctx context.Context, id uuid.UUID) error
	ReservationReleased(ctx context.Context, id uuid.UUID) error
	RecordGateway(ctx context.Context, backend string, state minigroup.GatewayState) error
}

// ReserveSlotsInput is the input of ReserveSlots: the create whose slots are reserved.
type ReserveSlotsInput struct {
	Request stored.CreateRequest `json:"request"`
}

// ReserveSlots makes the room of a create's reservation on its gateway. If the gateway is unfit, or has not answered
// for a minute, the reservation moves to another gateway with enough slots, which gets the room instead; if there is
// none, the step waits for its gateway. It returns superseded if the reservation was released in the meantime. A cancel
// does not interrupt the request, because the gateway may execute it anyway, and only the reply tells this step whether
// there is a room to remove.
func (a *Activities) ReserveSlots(ctx context.Context, in ReserveSlotsInput) (Completion, error) {
	ctx, cancel := a.gatewayStep(context.WithoutCancel(ctx))
	defer cancel()
	request := in.Request.Request()
	create := a.runningCreate(ctx, request.ID)
	for {
		r, err := a.Ledger.ReservationOf(ctx, request.ID, request.Fingerprint)
		if err != nil {
			return Completion{}, toApplicationError(err)
		}
		established, err := a.applyReservation(ctx, r, create)
		if err == nil || !shouldMove(ctx, err) {
			return a.completed(established), toApplicationError(err)
		}
		moveErr := a.Ledger.MoveReservation(ctx, runID(ctx), request, r.ID, uuid.New(), a.Settings.Group)
		var full *minigroup.Error
		if errors.As(moveErr, &full) && full.Kind == minigroup.CapacityExceeded {
			return Completion{}, toApplicationError(err)
		}
		if moveErr != nil {
			return Completion{}, toApplicationError(moveErr)
		}
		if isUnfit(err) {
			// Slots without a room are released at once; for others this fails, and the sweeper releases them later.
			_ = a.syncReservation(ctx, r.ID)
		}
	}
}

// A step has failed for a minute when it has failed this number of regular attempts, which start after 0, 1, 3, 7, 15,
// 31 and 63 s, or when the first of them began a minute ago, because timeouts take longer.
const attemptsInAMinute = 7

func failedForAMinute(ctx context.Context) bool {
	info := activity.GetInfo(ctx)
	return info.Attempt >= attemptsInAMinute || time.Since(info.ScheduledTime) >= time.Minute
}

// shouldMove reports whether a reservation whose gateway failed with err should move to another one.
func shouldMove(ctx context.Context, err error) bool {
	var upstream *minigroup.UpstreamError
	return errors.As(err, &upstream) && !upstream.Refused && (upstream.Unfit || failedForAMinute(ctx))
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
		_, err := a.applyReservation(ctx, r, minigroup.RunningCreate{})
		errs = append(errs, err)
	}
	return toApplicationError(errors.Join(errs...))
}

// syncReservation makes the gateway match a reservation as it is on the ledger now.
func (a *Activities) syncReservation(ctx context.Context, id uuid.UUID) error {
	r, err := a.Ledger.Reservation(ctx, id)
	if err != nil {
		return err
	}
	_, err = a.applyReservation(ctx, r, minigroup.RunningCreate{})
	return err
}

// applyReservation makes the gateway match a reservation that was just read. It reads the slots again after each
// request and repeats the request if they differ, because an update may have changed them meanwhile. It returns
// *minigroup.SupersededError if the reservation was released meanwhile. If it was the last thing that a create needs,
// it returns the established minigroup.
func (a *Activities) applyReservation(
	ctx context.Context, r minigroup.Reservation, c minigroup.RunningCreate,
) (established *minigroup.Minigroup, err error) {
	switch r.State {
	case minigroup.ReservationReleased:
		return nil, nil //nolint:nilnil // there is nothing to do
	case minigroup.ReservationReleasing:
		return nil, a.release(ctx, r)
	}
	for {
		if err := a.reserve(ctx, r); err != nil {
			return nil, err
		}
		r.Made = true
		slots, established, err := a.held(ctx, r, c)
		var superseded *minigroup.SupersededError
		if errors.As(err, &superseded) { // released during the request, which may have made the room after its removal
			return nil, errors.Join(err, a.release(ctx, r))
		}
		if err != nil || slots == r.Slots {
			return established, err
		}
		r.State, r.Slots = minigroup.ReservationHeld, slots
	}
}

// held records that the gateway has the room, and returns the slots that the room must have now. If the reservation was
// held before, held only reads it, which spares a write. It returns *minigroup.SupersededError if the reservation was
// released in the meantime.
func (a *Activities) held(
	ctx context.Context, r minigroup.Reservation, c minigroup.RunningCreate,
) (slots int32, established *minigroup.Minigroup, err error) {
	if r.State != minigroup.ReservationHeld {
		return a.Ledger.ReservationHeld(ctx, r.ID, c)
	}
	now, err := a.Ledger.Reservation(ctx, r.ID)
	if err == nil && now.State != minigroup.ReservationHeld {
		err = minigroup.Supersededf("reservation %s was released", r.ID)
	}
	return now.Slots, nil, err
}

// roomPrefix begins the description of every room that this service makes on a gateway.
const roomPrefix = "minigroup:"

func (a *Activities) reserve(ctx context.Context, r minigroup.Reservation) error {
	request, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	err := a.Janus.Reserve(request, r.Backend, r.ID, r.Slots, roomPrefix+r.ClassID.String())
	cancel()
	var upstream *minigroup.UpstreamError
	if errors.As(err, &upstream) && upstream.MaybeDone {
		err = errors.Join(err, a.Ledger.ReservationDoubtful(context.WithoutCancel(ctx), r.ID))
	}
	return a.recordUnfit(ctx, r.Backend, err)
}

// recordUnfit records that the gateway is unfit if err says so, and returns err. Admissions then prefer other gateways,
// until a sweep finds that this one answers well.
func (a *Activities) recordUnfit(ctx context.Context, b minigroup.Backend, err error) error {
	if !isUnfit(err) {
		return err
	}
	return errors.Join(err, a.Ledger.RecordGateway(ctx, b.ID, gatewayState(err)))
}

// isUnfit reports whether a request failed because of the gateway's configuration or software.
func isUnfit(err error) bool {
	var upstream *minigroup.UpstreamError
	return errors.As(err, &upstream) && upstream.Unfit
}

// gatewayState is the state of a gateway whose request failed with err. The zero value follows from nil.
func gatewayState(err error) minigroup.GatewayState {
	if err == nil {
		return minigroup.GatewayState{}
	}
	var upstream *minigroup.UpstreamError
	if !errors.As(err, &upstream) {
		return minigroup.GatewayState{Reason: err.Error()}
	}
	// Without the request, the reason is the same for all requests.
	return minigroup.GatewayState{
		Reason: strings.TrimPrefix(upstream.Error(), upstream.Doing+": "), Unfit: upstream.Unfit,
	}
}

// secondRemoval is the pause before a room is removed again because a request for it was not answered.
const secondRemoval = 2 * time.Second

// release removes the room from the gateway and records that. If a request to make the room was not answered, the
// gateway may execute it after the removal, so release removes the room again after a pause. The slots of a room that
// was never made are released even if the gateway is unfit: otherwise they would count until it is repaired.
func (a *Activities) release(ctx context.Context, r minigroup.Reservation) error {
	err := a.remove(ctx, r.Backend, r.ID)
	if isUnfit(err) && !r.Made && !r.Doubtful {
		return a.Ledger.ReservationReleased(ctx, r.ID)
	}
	if err != nil {
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
	request, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	return a.recordUnfit(ctx, b, a.Janus.Release(request, b, room))
}

// LongestStep returns how long the longest step may take: one that has to release a room sends two requests, with a
// pause between them.
func LongestStep(stepWait time.Duration) time.Duration { return 2*stepWait + secondRemoval }

func (a *Activities) gatewayStep(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, LongestStep(a.Settings.StepWait))
}
