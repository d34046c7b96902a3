package activities

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/stored"
)

// slotsLedger is a ledger with one reservation, which can be moved once.
type slotsLedger struct {
	Ledger
	heldErr error
	moved   int
}

func (l *slotsLedger) ReservationOf(context.Context, uuid.UUID, string) (minigroup.Reservation, error) {
	return minigroup.Reservation{State: minigroup.ReservationPending, Slots: 8, Backend: minigroup.Backend{
		ID: map[bool]string{false: "first", true: "second"}[l.moved > 0],
	}}, nil
}

func (l *slotsLedger) ReservationHeld(
	context.Context, uuid.UUID, minigroup.RunningCreate,
) (int32, *minigroup.Minigroup, error) {
	return 8, nil, l.heldErr
}

func (l *slotsLedger) MoveReservation(
	context.Context, string, minigroup.CreateRequest, uuid.UUID, uuid.UUID, string,
) error {
	l.moved++
	return nil
}

func (*slotsLedger) RecordGateway(context.Context, string, minigroup.GatewayState) error { return nil }

func (*slotsLedger) Reservation(context.Context, uuid.UUID) (minigroup.Reservation, error) {
	return minigroup.Reservation{State: minigroup.ReservationReleased}, nil
}

// firstFails are gateways of which the first one fails.
type firstFails struct {
	Janus
	err error
}

func (g firstFails) Reserve(_ context.Context, b minigroup.Backend, _ uuid.UUID, _ int32, _ string) error {
	if b.ID == "first" {
		return g.err
	}
	return nil
}

// TestSlotsMoveFromAGatewayThatIsUnfit makes the first attempt of the step.
func TestSlotsMoveFromAGatewayThatIsUnfit(t *testing.T) {
	for name, c := range map[string]struct {
		err, heldErr error
		moved        int
		fails        bool
	}{
		"it answers":           {},
		"it is unfit":          {err: &minigroup.UpstreamError{Upstream: "janus", Unfit: true}, moved: 1},
		"it refuses":           {err: &minigroup.UpstreamError{Upstream: "janus", Unfit: true, Refused: true}, fails: true},
		"it is away for now":   {err: &minigroup.UpstreamError{Upstream: "janus"}, fails: true},
		"the database is away": {heldErr: errors.New("away"), fails: true},
	} {
		l := &slotsLedger{heldErr: c.heldErr}
		a := &Activities{Ledger: l, Janus: firstFails{err: c.err}, Runs: &stepRuns{}}
		request := stored.NewCreateRequest(minigroup.NewCreateRequest(minigroup.Draft{Audience: "example.org", Scope: "a"}))
		_, err := execute(a, a.ReserveSlots, ReserveSlotsInput{Request: request})
		if (err != nil) != c.fails || l.moved != c.moved {
			t.Errorf("%s: %v, it was moved %d times", name, err, l.moved)
		}
	}
}
