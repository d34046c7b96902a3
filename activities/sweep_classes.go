package activities

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"minigroups/minigroup"
)

// SweptClasses is what a sweep of the classes has done.
type SweptClasses struct {
	// Healed are sagas whose run was gone: creates that are being undone now, and updates that are being finished.
	Recovered int `json:"recovered"`
	// Closing are condemned rooms that nobody was closing.
	Closing int `json:"closing"`
	// Lost are attempts that were never answered.
	Lost int64 `json:"lost"`
	// Condemned are rooms that were announced and that nobody holds; they are among those closing.
	MarkedForClosing int64 `json:"marked_for_closing"`
	// NeverSeen are lost attempts whose rooms were not announced for long.
	NeverSeen int64 `json:"never_seen"`
	// Compared are minigroups that are being compared with conference, because a PATCH went unanswered.
	Compared int `json:"compared"`
	// Ended are classes that are over: by time, or because conference has closed their room.
	Ended int `json:"ended"`
	// Forgotten are rows of the ledger that went because what they tell of has been over for long.
	Purged int64 `json:"purged"`
	// Failed are those that could not be looked after; the next sweep tries again.
	Failed int `json:"failed"`
}

// SweepClasses looks for what the ledger wants done and nobody does, because a run was terminated or a process died, and
// starts the runs that do it. It waits for none of them. It ends the classes that are over, and asks conference, for
// seconds at most, about some of those that have no end. Last, it forgets some of what has been over for long.
func (s *Sweeper) SweepClasses(ctx context.Context) (SweptClasses, error) {
	var swept SweptClasses
	for _, part := range []func(context.Context, *SweptClasses) error{s.expire, s.recoverSagas, s.closeRooms, s.endClasses, s.lookUp, s.purge} {
		if err := part(ctx, &swept); err != nil {
			return swept, toApplicationError(err)
		}
	}
	for what, n := range map[string]int{
		"recovered": swept.Recovered, "compared": swept.Compared, "closing": swept.Closing, "lost": int(swept.Lost), "marked_for_closing": int(swept.MarkedForClosing),
		"never_seen": int(swept.NeverSeen), "ended": swept.Ended, "failed": swept.Failed,
	} {
		s.Count(what, n)
	}
	return swept, nil
}

// lose notes which attempts are lost, and which rooms have come of such. The order matters: a room is not condemned before
// the attempt that may have made it is noted as lost.
func (s *Sweeper) expire(ctx context.Context, swept *SweptClasses) (err error) {
	if swept.Lost, err = s.Ledger.ExpireAttempts(ctx); err != nil {
		return err
	}
	if swept.MarkedForClosing, err = s.Ledger.MarkAnnouncedForClosing(ctx); err != nil || s.NeverSeen == 0 {
		return err
	}
	swept.NeverSeen, err = s.Ledger.ResolveUnseen(ctx, s.NeverSeen)
	return err
}

func (s *Sweeper) recoverSagas(ctx context.Context, swept *SweptClasses) error {
	sagas, err := s.Ledger.OpenSagas(ctx, minAge, batchSize)
	if err != nil {
		return err
	}
	swept.Recovered += s.recoverEach(ctx, sagas, swept)
	comparisons, err := s.Ledger.DueComparisons(ctx, batchSize)
	if err != nil {
		return err
	}
	swept.Compared += s.recoverEach(ctx, comparisons, swept)
	return nil
}

// heal starts the runs that sagas lack, and returns how many.
func (s *Sweeper) recoverEach(ctx context.Context, sagas []minigroup.OpenSaga, swept *SweptClasses) (healed int) {
	for _, saga := range sagas {
		open, err := s.Recovery.IsOpen(ctx, saga)
		started := false
		if err == nil && !open {
			started, err = s.Recovery.Recover(ctx, saga)
		}
		if err != nil {
			swept.Failed++
		} else if started {
			healed++
		}
	}
	return healed
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

// A class without an end is looked up in conference once a day, so many of them at every sweep and for so long in all.
const (
	lookUpEvery = 24 * time.Hour
	lookUpBatch = 50
	lookUpLimit = 5 * time.Second
)

// lookUp ends classes without an end whose room conference has closed unheard.
func (s *Sweeper) lookUp(ctx context.Context, swept *SweptClasses) error {
	due, err := s.Ledger.DueLookups(ctx, lookUpEvery, lookUpBatch)
	if err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, lookUpLimit)
	defer cancel()
	rooms := make([]minigroup.ConferenceRoomState, len(due))
	errs := make([]error, len(due))
	var group errgroup.Group
	group.SetLimit(10)
	for i, m := range due {
		group.Go(func() error {
			rooms[i], errs[i] = s.Steps.Conference.Room(short, m.ConferenceRoomID)
			return nil
		})
	}
	_ = group.Wait() // each has an error of its own
	var closed []minigroup.ClosedRoom
	for i, m := range due {
		switch {
		case errs[i] != nil:
			swept.Failed++
		case rooms[i].Time.Ended(time.Now().Unix()):
			closed = append(closed, minigroup.ClosedRoom{ID: m.ConferenceRoomID, ClassID: m.ClassID(), Audience: m.Audience, TimedOut: rooms[i].TimedOut})
		}
	}
	ended, err := s.Ledger.RecordRoomEvents(ctx, minigroup.RoomEvents{Closed: closed})
	swept.Ended += ended
	return err
}

// forget deletes so much of the ledger's history at every sweep that it keeps up, and so little that nobody notices.
func (s *Sweeper) purge(ctx context.Context, swept *SweptClasses) error {
	if s.Retention == 0 {
		return nil
	}
	forgotten, err := s.Ledger.Purge(ctx, s.Retention, batchSize)
	for table, n := range forgotten {
		swept.Purged += n
		s.Count("purged_"+table, int(n))
	}
	return err
}
