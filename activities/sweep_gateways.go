package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"minigroups/minigroup"
)

// GatewaysLedger has the gateways and the rooms that they should have.
type GatewaysLedger interface {
	RecordGateway(ctx context.Context, backend string, state minigroup.GatewayState) error
	Backends(ctx context.Context) ([]minigroup.Backend, error)
	GatewayRooms(ctx context.Context, backend string, minAge time.Duration) ([]minigroup.Reservation, error)
	Strays(ctx context.Context, rooms []minigroup.GatewayRoom, minAge time.Duration) ([]uuid.UUID, error)
}

// SweptGateways counts what a sweep of the gateways has done.
type SweptGateways struct {
	// Made are rooms that a gateway lacked, for example after a restart, or had with another number of slots.
	Made int `json:"made"`
	// Removed are rooms without a reservation, and rooms whose reservation is being released.
	Removed int `json:"removed"`
	// Away names the gateways that did not answer, or answered wrongly. Failed counts the rooms that could not be made or
	// removed.
	Away   []string `json:"away,omitempty"`
	Failed int      `json:"failed"`
}

// SweepGateways makes every gateway match the ledger, all gateways concurrently, and records which of them answer well.
// It does not fail if a gateway does not answer. What is left after the budget is spent, the next sweep does.
func (s *Sweeper) SweepGateways(ctx context.Context) (SweptGateways, error) {
	backends, err := s.Ledger.Backends(ctx)
	if err != nil {
		return SweptGateways{}, toApplicationError(err)
	}
	results := make([]SweptGateways, len(backends))
	var group errgroup.Group
	for i, backend := range backends {
		group.Go(func() error {
			if err := s.sweepGateway(ctx, backend, &results[i]); err != nil {
				results[i].Away = []string{backend.ID}
			}
			return nil
		})
	}
	_ = group.Wait() // the results have the errors
	var all SweptGateways
	for _, r := range results {
		all.Made += r.Made
		all.Removed += r.Removed
		all.Failed += r.Failed
		all.Away = append(all.Away, r.Away...)
	}
	s.Count("made", all.Made)
	s.Count("removed", all.Removed)
	s.Count("away", len(all.Away))
	s.Count("failed", all.Failed)
	return all, nil
}

// sweepGateway makes one gateway match the ledger. It returns an error if the gateway or the ledger is not available,
// and counts the rooms that could not be made or removed.
func (s *Sweeper) sweepGateway(ctx context.Context, backend minigroup.Backend, swept *SweptGateways) error {
	rooms, listErr := s.gatewayRooms(ctx, backend)
	if listErr != nil && !isUnfit(listErr) {
		return errors.Join(listErr, s.Ledger.RecordGateway(ctx, backend.ID, gatewayState(listErr)))
	}
	wanted, err := s.Ledger.GatewayRooms(ctx, backend.ID, minAge)
	if err != nil {
		return errors.Join(listErr, err)
	}
	fault := listErr
	syncing, cancel := context.WithTimeout(ctx, s.Budget)
	defer cancel()
	for _, r := range wanted {
		if syncing.Err() != nil {
			break
		}
		switch room, ok := rooms[r.ID]; {
		case ok && room.Slots == r.Slots && r.State == minigroup.ReservationHeld:
			continue
		case listErr != nil && (r.State != minigroup.ReservationReleasing || r.Made || r.Doubtful):
			continue // an unfit gateway neither makes nor removes a room
		}
		err := s.sync(syncing, swept, r.State == minigroup.ReservationReleasing, func(ctx context.Context) error {
			return s.Steps.syncReservation(ctx, r.ID)
		})
		if isUnfit(err) {
			fault = err
		}
	}
	if err := s.Ledger.RecordGateway(ctx, backend.ID, gatewayState(fault)); err != nil || fault != nil {
		return errors.Join(fault, err)
	}
	strays, err := s.Ledger.Strays(ctx, slices.Collect(maps.Values(rooms)), minAge)
	if err != nil {
		return err
	}
	for _, id := range strays {
		if syncing.Err() != nil {
			break
		}
		_ = s.sync(syncing, swept, true, func(ctx context.Context) error { return s.Steps.remove(ctx, backend, id) })
	}
	return nil
}

// gatewayRooms returns our rooms on a gateway by their ids.
func (s *Sweeper) gatewayRooms(
	ctx context.Context, backend minigroup.Backend,
) (map[uuid.UUID]minigroup.GatewayRoom, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Steps.Settings.StepWait)
	defer cancel()
	listed, err := s.Rooms.Rooms(ctx, backend, roomPrefix)
	if err != nil {
		return nil, fmt.Errorf("list rooms: %w", err)
	}
	rooms := make(map[uuid.UUID]minigroup.GatewayRoom, len(listed))
	for _, room := range listed {
		rooms[room.ID] = room
	}
	return rooms, nil
}

// sync makes or removes one room, counts the result and returns the error.
func (s *Sweeper) sync(
	ctx context.Context, swept *SweptGateways, removes bool, do func(context.Context) error,
) error {
	ctx, cancel := s.Steps.gatewayStep(ctx)
	defer cancel()
	err := do(ctx)
	var superseded *minigroup.SupersededError
	switch {
	case errors.As(err, &superseded): // released in the meantime; the step that has released it removes the room
	case err != nil:
		swept.Failed++
	case removes:
		swept.Removed++
	default:
		swept.Made++
	}
	return err
}
