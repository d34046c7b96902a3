package activities

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"minigroups/minigroup"
)

// ClassesLedger finds the classes, sagas and rooms on which a sweep must act.
type ClassesLedger interface {
	OpenSagas(ctx context.Context, minAge time.Duration, limit int) ([]minigroup.OpenSaga, error)
	StaleClosings(ctx context.Context, minAge time.Duration, limit int) ([]minigroup.RoomPendingClose, error)
	ExpireAttempts(ctx context.Context) (int64, error)
	MarkAnnouncedForClosing(ctx context.Context) (int64, error)
	ResolveUnseen(ctx context.Context, after time.Duration) (int64, error)
	EndClosed(ctx context.Context, limit int) (int, error)
	EndOverdue(ctx context.Context, grace time.Duration, limit int) (int, error)
	DueLookups(ctx context.Context, every time.Duration, limit int) ([]minigroup.Lookup, error)
	LookedUp(ctx context.Context, classes []uuid.UUID) error
	NothingToRepair(ctx context.Context, l minigroup.Lookup) error
	RecordRoomEvents(ctx context.Context, events minigroup.RoomEvents) (ended int, err error)
	Purge(ctx context.Context, age time.Duration, limit int) (purged map[string]int64, err error)
}

// SweptClasses counts what a sweep of the classes has done.
type SweptClasses struct {
	// Recovered are sagas whose run was gone. Runs that undo the creates and finish the updates were started.
	Recovered int `json:"recovered"`
	// Closing are stale closings: rooms pending close whose runs were started.
	Closing int `json:"closing"`
	// Lost are attempts whose deadline has passed without an answer.
	Lost int64 `json:"lost"`
	// MarkedForClosing are announced rooms that no class holds; Closing includes them.
	MarkedForClosing int64 `json:"marked_for_closing"`
	// NeverSeen are lost attempts whose rooms were not announced within Sweeper.LostRoomTimeout.
	NeverSeen int64 `json:"never_seen"`
	// Repairing are minigroups whose conference room shows a late PATCH: updates were started that repair them.
	Repairing int `json:"repairing"`
	// Ended are classes that were ended, because their end has passed or conference has closed their room.
	Ended int `json:"ended"`
	// Purged are rows of the ledger that were deleted because their retention has passed.
	Purged int64 `json:"purged"`
	// RoomGone are the ids of classes whose conference room does not exist any more. They need a recreate.
	RoomGone []uuid.UUID `json:"room_gone,omitempty"`
	// Failed are records whose run could not be started, and rooms that could not be read. A later sweep repeats that.
	Failed int `json:"failed"`
}

// Add adds the counts of another part of the sweep.
func (c *SweptClasses) Add(part SweptClasses) {
	c.Recovered += part.Recovered
	c.Closing += part.Closing
	c.Lost += part.Lost
	c.MarkedForClosing += part.MarkedForClosing
	c.NeverSeen += part.NeverSeen
	c.Repairing += part.Repairing
	c.Ended += part.Ended
	c.Purged += part.Purged
	c.RoomGone = append(c.RoomGone, part.RoomGone...)
	c.Failed += part.Failed
}

// A sweep of the classes has parts: the activities below. Each finds work in the ledger that no run does, because a run
// was terminated or a process died. Each has a time of its own, so that a service that is slow or away delays no other
// part. None waits for the runs that it starts.

// ExpireAttempts records attempts as lost, and marks the announced rooms for closing that they may have created. The
// order matters: a room is marked only when the attempt that may have created it is recorded as lost.
func (s *Sweeper) ExpireAttempts(ctx context.Context) (swept SweptClasses, err error) {
	if swept.Lost, err = s.Ledger.ExpireAttempts(ctx); err != nil {
		return swept, toApplicationError(err)
	}
	if swept.MarkedForClosing, err = s.Ledger.MarkAnnouncedForClosing(ctx); err != nil {
		return swept, toApplicationError(err)
	}
	if s.LostRoomTimeout > 0 {
		if swept.NeverSeen, err = s.Ledger.ResolveUnseen(ctx, s.LostRoomTimeout); err != nil {
			return swept, toApplicationError(err)
		}
	}
	s.Count("lost", int(swept.Lost))
	s.Count("marked_for_closing", int(swept.MarkedForClosing))
	s.Count("never_seen", int(swept.NeverSeen))
	return swept, nil
}

// RecoverSagas starts runs that undo the creates and finish the updates whose run is gone.
func (s *Sweeper) RecoverSagas(ctx context.Context) (SweptClasses, error) {
	sagas, err := s.Ledger.OpenSagas(ctx, minAge, batchSize)
	if err != nil {
		return SweptClasses{}, toApplicationError(err)
	}
	var swept SweptClasses
	swept.Recovered, swept.Failed = forEach(ctx, s.Budget, sagas,
		func(ctx context.Context, saga minigroup.OpenSaga) (started bool, err error) {
			open, err := s.Recovery.IsOpen(ctx, saga)
			if err != nil || open {
				return false, err
			}
			return s.Recovery.Recover(ctx, saga)
		})
	s.Count("recovered", swept.Recovered)
	s.Count("failed", swept.Failed)
	return swept, nil
}

// StartClosings starts runs that close the rooms pending close.
func (s *Sweeper) StartClosings(ctx context.Context) (SweptClasses, error) {
	rooms, err := s.Ledger.StaleClosings(ctx, minAge, batchSize)
	if err != nil {
		return SweptClasses{}, toApplicationError(err)
	}
	var swept SweptClasses
	swept.Closing, swept.Failed = forEach(ctx, s.Budget, rooms,
		func(ctx context.Context, room minigroup.RoomPendingClose) (bool, error) {
			return true, s.Steps.Runs.CloseRoom(ctx, room)
		})
	s.Count("closing", swept.Closing)
	s.Count("failed", swept.Failed)
	return swept, nil
}

// forEach calls do for each record, a few at a time, until the budget is spent. It returns how many calls did something
// and how many failed.
func forEach[T any](
	ctx context.Context, budget time.Duration, records []T, do func(context.Context, T) (did bool, err error),
) (done, failed int) {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(sweepAtOnce)
	for _, record := range records {
		group.Go(func() error {
			if ctx.Err() != nil {
				return nil
			}
			did, err := do(ctx, record)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed++
			} else if did {
				done++
			}
			return nil
		})
	}
	_ = group.Wait() // the counts have the errors
	return done, failed
}

// EndClasses ends the classes whose room conference has closed, and those whose end has passed by Grace.
func (s *Sweeper) EndClasses(ctx context.Context) (swept SweptClasses, err error) {
	swept.Ended, err = s.Ledger.EndClosed(ctx, batchSize)
	if err == nil {
		var overdue int
		overdue, err = s.Ledger.EndOverdue(ctx, s.Grace, batchSize)
		swept.Ended += overdue
	}
	s.Count("ended", swept.Ended)
	return swept, toApplicationError(err)
}

// Conference rooms are looked up of classes without an end, once a day, and of classes with an unanswered PATCH, when
// that is due. Each sweep looks up at most lookUpBatch, within lookUpTimeout in total.
const (
	lookUpEvery   = 24 * time.Hour
	lookUpBatch   = 50
	lookUpTimeout = 5 * time.Second
	lookUpAtOnce  = 10
)

// LookUpRooms ends classes whose room conference has closed, if the event of that was not received, and repairs those
// whose room shows a PATCH that was taken for lost.
func (s *Sweeper) LookUpRooms(ctx context.Context) (swept SweptClasses, err error) {
	due, err := s.Ledger.DueLookups(ctx, lookUpEvery, lookUpBatch)
	if err != nil {
		return swept, toApplicationError(err)
	}
	rooms, errs := s.readRooms(ctx, due)
	var closed []minigroup.ClosedRoom
	var lookedUp []uuid.UUID
	for i, l := range due {
		if isGone(errs[i]) {
			swept.RoomGone = append(swept.RoomGone, l.ID)
			errs[i] = s.Ledger.NothingToRepair(ctx, l)
		} else if errs[i] == nil {
			errs[i] = s.followUp(ctx, l, rooms[i], &closed, &swept)
		}
		if errs[i] != nil {
			swept.Failed++
		} else {
			lookedUp = append(lookedUp, l.ID)
		}
	}
	swept.Ended, err = s.Ledger.RecordRoomEvents(ctx, minigroup.RoomEvents{Closed: closed})
	if err == nil {
		err = s.Ledger.LookedUp(ctx, lookedUp)
	}
	s.Count("ended", swept.Ended)
	s.Count("repairing", swept.Repairing)
	s.Count("room_gone", len(swept.RoomGone))
	s.Count("failed", swept.Failed)
	return swept, toApplicationError(err)
}

// followUp acts on a room that was read: it adds it to closed if conference has closed it, or starts a repair.
func (s *Sweeper) followUp(
	ctx context.Context, l minigroup.Lookup, room minigroup.ConferenceRoomState, closed *[]minigroup.ClosedRoom,
	swept *SweptClasses,
) error {
	now := time.Now().Unix()
	switch {
	case closedEarly(l.Time, room, now):
		*closed = append(*closed, minigroup.ClosedRoom{
			ID: l.ConferenceRoomID, ClassID: l.ID, Audience: l.Audience, TimedOut: room.TimedOut,
		})
	case len(l.Unanswered) > 0:
		started, err := s.repair(ctx, l, room, now)
		if started {
			swept.Repairing++
		}
		return err
	}
	return nil
}

// readRooms reads the conference rooms of minigroups, with an error for each that it could not read.
func (s *Sweeper) readRooms(ctx context.Context, due []minigroup.Lookup) ([]minigroup.ConferenceRoomState, []error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	rooms := make([]minigroup.ConferenceRoomState, len(due))
	errs := make([]error, len(due))
	var group errgroup.Group
	group.SetLimit(lookUpAtOnce)
	for i, l := range due {
		group.Go(func() error {
			rooms[i], errs[i] = s.Steps.readRoom(ctx, l.ConferenceRoomID)
			return nil
		})
	}
	_ = group.Wait() // errs has the errors
	return rooms, errs
}

// repair starts the update that makes minigroup and room equal again, and returns false where none is needed or another
// run of the minigroup is open. The next look-up verifies it.
func (s *Sweeper) repair(
	ctx context.Context, l minigroup.Lookup, room minigroup.ConferenceRoomState, now int64,
) (started bool, err error) {
	change, needed := l.PlanRepair(room, now)
	if !needed {
		return false, s.Ledger.NothingToRepair(ctx, l)
	}
	return s.Recovery.Recover(ctx, minigroup.OpenSaga{
		ClassID: l.ID, Audience: l.Audience, Scope: l.Scope, UpdateID: uuid.New(), Change: change,
	})
}

// PurgeHistory deletes at most batchSize finished records of each table, so that it does not disturb other queries.
func (s *Sweeper) PurgeHistory(ctx context.Context) (swept SweptClasses, err error) {
	if s.Retention == 0 {
		return swept, nil
	}
	purged, err := s.Ledger.Purge(ctx, s.Retention, batchSize)
	for table, n := range purged {
		swept.Purged += n
		s.Count("purged_"+table, int(n))
	}
	return swept, toApplicationError(err)
}
