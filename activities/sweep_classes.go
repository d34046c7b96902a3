package activities

import (
	"context"
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
	// Failed are records whose run could not be started, and rooms that could not be read. A later sweep repeats that.
	Failed int `json:"failed"`
}

// SweepClasses finds work in the ledger that no run does, because a run was terminated or a process died, and starts
// runs that do it. It does not wait for them. It also ends classes, reads the conference rooms of some classes, for
// lookUpTimeout at most, and purges finished records.
func (s *Sweeper) SweepClasses(ctx context.Context) (SweptClasses, error) {
	var swept SweptClasses
	for _, part := range []func(context.Context, *SweptClasses) error{
		s.expire, s.recoverSagas, s.closeRooms, s.endClasses, s.lookUp, s.purge,
	} {
		if err := part(ctx, &swept); err != nil {
			return swept, toApplicationError(err)
		}
	}
	for what, n := range map[string]int{
		"recovered": swept.Recovered, "repairing": swept.Repairing, "closing": swept.Closing, "lost": int(swept.Lost),
		"marked_for_closing": int(swept.MarkedForClosing), "never_seen": int(swept.NeverSeen), "ended": swept.Ended,
		"failed": swept.Failed,
	} {
		s.Count(what, n)
	}
	return swept, nil
}

// expire records attempts as lost, and marks the announced rooms for closing that they may have created. The order
// matters: a room is marked only when the attempt that may have created it is recorded as lost.
func (s *Sweeper) expire(ctx context.Context, swept *SweptClasses) (err error) {
	if swept.Lost, err = s.Ledger.ExpireAttempts(ctx); err != nil {
		return err
	}
	if swept.MarkedForClosing, err = s.Ledger.MarkAnnouncedForClosing(ctx); err != nil || s.LostRoomTimeout == 0 {
		return err
	}
	swept.NeverSeen, err = s.Ledger.ResolveUnseen(ctx, s.LostRoomTimeout)
	return err
}

// recoverSagas starts the runs of sagas whose run is gone.
func (s *Sweeper) recoverSagas(ctx context.Context, swept *SweptClasses) error {
	sagas, err := s.Ledger.OpenSagas(ctx, minAge, batchSize)
	if err != nil {
		return err
	}
	for _, saga := range sagas {
		open, err := s.Recovery.IsOpen(ctx, saga)
		started := false
		if err == nil && !open {
			started, err = s.Recovery.Recover(ctx, saga)
		}
		if err != nil {
			swept.Failed++
		} else if started {
			swept.Recovered++
		}
	}
	return nil
}

func (s *Sweeper) closeRooms(ctx context.Context, swept *SweptClasses) error {
	rooms, err := s.Ledger.StaleClosings(ctx, minAge, batchSize)
	if err != nil {
		return err
	}
	for _, room := range rooms {
		if err := s.Steps.Runs.CloseRoom(ctx, room); err != nil {
			swept.Failed++
		} else {
			swept.Closing++
		}
	}
	return nil
}

// endClasses ends the classes whose room conference has closed, and those whose end has passed by Grace.
func (s *Sweeper) endClasses(ctx context.Context, swept *SweptClasses) error {
	closed, err := s.Ledger.EndClosed(ctx, batchSize)
	swept.Ended += closed
	if err != nil {
		return err
	}
	overdue, err := s.Ledger.EndOverdue(ctx, s.Grace, batchSize)
	swept.Ended += overdue
	return err
}

// Conference rooms are looked up of classes without an end, once a day, and of classes with an unanswered PATCH, when
// that is due. Each sweep looks up at most lookUpBatch, within lookUpTimeout in total.
const (
	lookUpEvery   = 24 * time.Hour
	lookUpBatch   = 50
	lookUpTimeout = 5 * time.Second
	lookUpAtOnce  = 10
)

// lookUp ends classes whose room conference has closed, if the event of that was not received, and repairs those whose
// room shows a PATCH that was taken for lost.
func (s *Sweeper) lookUp(ctx context.Context, swept *SweptClasses) error {
	due, err := s.Ledger.DueLookups(ctx, lookUpEvery, lookUpBatch)
	if err != nil {
		return err
	}
	rooms, errs := s.readRooms(ctx, due)
	var closed []minigroup.ClosedRoom
	for i, l := range due {
		now := time.Now().Unix()
		switch {
		case errs[i] != nil:
			swept.Failed++
		case rooms[i].Time.Ended(now) && !l.Time.Ended(now):
			closed = append(closed, minigroup.ClosedRoom{
				ID: l.ConferenceRoomID, ClassID: l.ID, Audience: l.Audience, TimedOut: rooms[i].TimedOut,
			})
		case len(l.Unanswered) > 0:
			started, err := s.repair(ctx, l, rooms[i], now)
			if err != nil {
				swept.Failed++
			} else if started {
				swept.Repairing++
			}
		}
	}
	ended, err := s.Ledger.RecordRoomEvents(ctx, minigroup.RoomEvents{Closed: closed})
	swept.Ended += ended
	return err
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
			rooms[i], errs[i] = s.Steps.Conference.Room(ctx, l.ConferenceRoomID)
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

// purge deletes at most batchSize finished records of each table, so that it does not disturb other queries.
func (s *Sweeper) purge(ctx context.Context, swept *SweptClasses) error {
	if s.Retention == 0 {
		return nil
	}
	purged, err := s.Ledger.Purge(ctx, s.Retention, batchSize)
	for table, n := range purged {
		swept.Purged += n
		s.Count("purged_"+table, int(n))
	}
	return err
}
