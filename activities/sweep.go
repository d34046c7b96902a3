package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"minigroups/minigroup"
)

// SweepLedger finds what the ledger shows as under way and what it wants gone.
type SweepLedger interface {
	OpenSagas(ctx context.Context, quiet time.Duration, limit int) ([]minigroup.OpenSaga, error)
	ForgottenRooms(ctx context.Context, quiet time.Duration, limit int) ([]minigroup.CondemnedRoom, error)
	LoseExpired(ctx context.Context) (int64, error)
	DueComparisons(ctx context.Context, limit int) ([]minigroup.OpenSaga, error)
	GatewayAnswers(ctx context.Context, backend string, answers bool) error
	Backends(ctx context.Context) ([]minigroup.Backend, error)
	GatewayRooms(ctx context.Context, backend string, quiet time.Duration) ([]minigroup.Reservation, error)
	Strays(ctx context.Context, rooms []uuid.UUID, quiet time.Duration) ([]uuid.UUID, error)
}

// Healer starts the runs that take the place of those that are gone.
type Healer interface {
	// IsOpen reports whether the run of a saga is open.
	IsOpen(ctx context.Context, saga minigroup.OpenSaga) (bool, error)
	// Heal starts the run that undoes a create, or finishes an update, whose run is gone. It reports false where another
	// run of the minigroup is open.
	Heal(ctx context.Context, saga minigroup.OpenSaga) (bool, error)
}

// GatewayRooms lists the rooms of a gateway whose description begins with prefix.
type GatewayRooms interface {
	Rooms(ctx context.Context, b minigroup.Backend, prefix string) ([]minigroup.GatewayRoom, error)
}

// Sweeper heals what processes and runs that are gone have left behind. All fields must be set.
type Sweeper struct {
	Ledger SweepLedger
	Healer Healer
	Rooms  GatewayRooms
	// Steps do to a single room what the sagas do.
	Steps *Activities
	// Count adds to a metric of what sweeps have done, for as long as the process lives.
	Count func(what string, n int)
}

const (
	// quiet is how long a run may leave something alone before the sweeper looks at it.
	quiet = 10 * time.Second
	// batch is how much one sweep looks at; the next picks others.
	batch = 500
)

// SweptClasses is what a sweep of the classes has done.
type SweptClasses struct {
	// Healed are sagas whose run was gone: creates that are being undone now, and updates that are being finished.
	Healed int `json:"healed"`
	// Closing are condemned rooms that nobody was closing.
	Closing int `json:"closing"`
	// Lost are attempts that were never answered.
	Lost int64 `json:"lost"`
	// Compared are minigroups that are being compared with conference, because a PATCH went unanswered.
	Compared int `json:"compared"`
	// Failed are those that could not be looked after; the next sweep tries again.
	Failed int `json:"failed"`
}

// SweepClasses looks for what the ledger wants done and nobody does, because a run was terminated or a process died, and
// starts the runs that do it. It waits for none of them.
func (s *Sweeper) SweepClasses(ctx context.Context) (SweptClasses, error) {
	var swept SweptClasses
	var err error
	if swept.Lost, err = s.Ledger.LoseExpired(ctx); err != nil {
		return swept, failed(err)
	}
	sagas, err := s.Ledger.OpenSagas(ctx, quiet, batch)
	if err != nil {
		return swept, failed(err)
	}
	swept.Healed += s.heal(ctx, sagas, &swept)
	comparisons, err := s.Ledger.DueComparisons(ctx, batch)
	if err != nil {
		return swept, failed(err)
	}
	swept.Compared += s.heal(ctx, comparisons, &swept)
	rooms, err := s.Ledger.ForgottenRooms(ctx, quiet, batch)
	if err != nil {
		return swept, failed(err)
	}
	for _, room := range rooms {
		if err := s.Steps.Runs.CloseRoom(ctx, room.Kind, room.ID); err != nil {
			swept.Failed++
		} else {
			swept.Closing++
		}
	}
	s.Count("healed", swept.Healed)
	s.Count("compared", swept.Compared)
	s.Count("closing", swept.Closing)
	s.Count("lost", int(swept.Lost))
	s.Count("failed", swept.Failed)
	return swept, nil
}

// heal starts the runs that sagas lack, and returns how many.
func (s *Sweeper) heal(ctx context.Context, sagas []minigroup.OpenSaga, swept *SweptClasses) (healed int) {
	for _, saga := range sagas {
		open, err := s.Healer.IsOpen(ctx, saga)
		started := false
		if err == nil && !open {
			started, err = s.Healer.Heal(ctx, saga)
		}
		if err != nil {
			swept.Failed++
		} else if started {
			healed++
		}
	}
	return healed
}

// SweptGateways is what a sweep of the gateways has done.
type SweptGateways struct {
	// Made are rooms that a gateway lacked or showed with other slots: after a restart it has none.
	Made int `json:"made"`
	// Removed are rooms of reservations that were given up.
	Removed int `json:"removed"`
	// Away names the gateways that could not be looked at, and Failed counts the rooms that could not be brought up to date.
	Away   []string `json:"away,omitempty"`
	Failed int      `json:"failed"`
}

// SweepGateways brings every gateway back to what the ledger says, all of them at the same time.
func (s *Sweeper) SweepGateways(ctx context.Context) (SweptGateways, error) {
	backends, err := s.Ledger.Backends(ctx)
	if err != nil {
		return SweptGateways{}, failed(err)
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
	_ = group.Wait() // what went wrong is in the results
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

func (s *Sweeper) sweepGateway(ctx context.Context, backend minigroup.Backend, swept *SweptGateways) error {
	rooms, err := s.gatewayRooms(ctx, backend)
	if noted := s.Ledger.GatewayAnswers(ctx, backend.ID, err == nil); err != nil || noted != nil {
		return errors.Join(err, noted)
	}
	wanted, err := s.Ledger.GatewayRooms(ctx, backend.ID, quiet)
	if err != nil {
		return err
	}
	for _, r := range wanted {
		if slots, there := rooms[r.ID]; r.State == minigroup.ReservationHeld && there && slots == r.Slots {
			continue
		}
		s.bring(ctx, swept, r.State == minigroup.ReservationReleasing, func(ctx context.Context) error { return s.Steps.project(ctx, r) })
	}
	ids := make([]uuid.UUID, 0, len(rooms))
	for id := range rooms {
		ids = append(ids, id)
	}
	strays, err := s.Ledger.Strays(ctx, ids, quiet)
	if err != nil {
		return err
	}
	for _, id := range strays {
		s.bring(ctx, swept, true, func(ctx context.Context) error { return s.Steps.remove(ctx, backend, id) })
	}
	return nil
}

func (s *Sweeper) gatewayRooms(ctx context.Context, backend minigroup.Backend) (map[uuid.UUID]int32, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Steps.Settings.StepWait)
	defer cancel()
	listed, err := s.Rooms.Rooms(ctx, backend, roomPrefix)
	if err != nil {
		return nil, fmt.Errorf("list rooms: %w", err)
	}
	rooms := make(map[uuid.UUID]int32, len(listed))
	for _, room := range listed {
		rooms[room.ID] = room.Slots
	}
	return rooms, nil
}

// bring brings one room up to date and counts what came of it.
func (s *Sweeper) bring(ctx context.Context, swept *SweptGateways, removes bool, do func(context.Context) error) {
	ctx, cancel := s.Steps.gatewayStep(ctx)
	defer cancel()
	err := do(ctx)
	var superseded *minigroup.SupersededError
	switch {
	case errors.As(err, &superseded): // given up just now: its run looks after it
	case err != nil:
		swept.Failed++
	case removes:
		swept.Removed++
	default:
		swept.Made++
	}
}
