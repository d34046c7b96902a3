package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"minigroups/minigroup"
)

// AnswerLedger records the outcomes of requests that create rooms.
type AnswerLedger interface {
	AnswerAttempt(
		ctx context.Context, id, roomID uuid.UUID, c minigroup.RunningCreate,
	) (minigroup.AttemptState, *minigroup.Minigroup, error)
	RefuseAttempt(ctx context.Context, id uuid.UUID) error
	AttemptLost(ctx context.Context, id uuid.UUID) error
}

// errNotWanted is what steps receive instead of a room that is marked for closing.
var errNotWanted = errors.New("the room was created too late: its operation has ended, or the class has another one")

// record writes the outcome of a request to the ledger and repeats that until it succeeds. If a room may have been
// created but no answer can come any more, the attempt is lost.
func (f *InFlight) record(r *request) {
	var upstream *minigroup.UpstreamError
	switch {
	case r.err == nil:
		var state minigroup.AttemptState
		f.untilRecorded(r.attempt, func(ctx context.Context) (err error) {
			state, r.established, err = f.ledger.AnswerAttempt(ctx, r.attempt, r.room, r.create)
			return err
		})
		switch state {
		case minigroup.AttemptReleasing:
			r.err = errNotWanted
			f.closeRoom(r)
		case minigroup.AttemptRefused, minigroup.AttemptLost:
			r.err = createFailed(r.kind, false, fmt.Sprintf(
				"the reply contains room %s, which an earlier request has created", r.room))
		}
	case errors.As(r.err, &upstream) && !upstream.MaybeDone:
		f.recordRefusal(r.attempt)
	default:
		f.untilRecorded(r.attempt, func(ctx context.Context) error { return f.ledger.AttemptLost(ctx, r.attempt) })
	}
}

// recordRefusal records that an attempt has created no room and will not create one.
func (f *InFlight) recordRefusal(attempt uuid.UUID) {
	f.untilRecorded(attempt, func(ctx context.Context) error { return f.ledger.RefuseAttempt(ctx, attempt) })
}

// closeRoom starts the run that closes the room of a request. If that fails, the sweeper starts it.
func (f *InFlight) closeRoom(r *request) {
	ctx, cancel := context.WithTimeout(f.ctx, ledgerTimeout)
	defer cancel()
	err := f.closer.CloseRoom(ctx, minigroup.RoomPendingClose{Kind: r.kind, ID: r.room, ClassID: r.classID})
	if err != nil {
		f.log.Warn("a room pending close is left to the sweeper", zap.Stringer("class_id", r.classID),
			zap.String("kind", string(r.kind)), zap.Stringer("room_id", r.room), zap.Error(err))
	}
}

const (
	ledgerTimeout   = 5 * time.Second
	firstLedgerWait = 100 * time.Millisecond
	maxLedgerWait   = 5 * time.Second
)

// untilRecorded repeats a write to the ledger until it succeeds, or until Stop ends its wait.
func (f *InFlight) untilRecorded(attempt uuid.UUID, write func(context.Context) error) {
	for wait := firstLedgerWait; f.ctx.Err() == nil; wait = min(2*wait, maxLedgerWait) {
		ctx, cancel := context.WithTimeout(f.ctx, ledgerTimeout)
		err := write(ctx)
		cancel()
		if err == nil {
			return
		}
		f.log.Warn("outcome not recorded, will retry",
			zap.Stringer("attempt_id", attempt), zap.Duration("retry_in", wait), zap.Error(err))
		retry := time.NewTimer(wait)
		select {
		case <-retry.C:
		case <-f.ctx.Done():
			retry.Stop()
		}
	}
}
