package workflows_test

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"minigroups/minigroup"
	"minigroups/storage"
)

// ledger is the real ledger. Single calls can be scripted to fail before or after they take effect.
type ledger struct {
	*storage.Store
	world *world
	db    *pgxpool.Pool
	// joint says that the last write of a create establishes the minigroup. Otherwise all leave that to Establish, as they
	// do when two workers write at the same time.
	joint *atomic.Bool
	// unknownAttempts says that attempts may have been written that no process knows.
	unknownAttempts *atomic.Bool
}

const (
	beginCreate         operation = "begin create"
	establish           operation = "establish"
	beginUndo           operation = "begin undo"
	endUndo             operation = "end undo"
	openAttempt         operation = "open attempt"
	answerAttempt       operation = "answer attempt"
	roomLocked          operation = "room locked"
	roomReleased        operation = "room released"
	moveReservation     operation = "move reservation"
	reservationHeld     operation = "reservation held"
	reservationReleased operation = "reservation released"
	readForUpdate       operation = "read for update"
	takeForUpdate       operation = "take for update"
	beginUpdate         operation = "begin update"
	beginRecreate       operation = "begin recreate"
	swapRooms           operation = "swap rooms"
	sendPatch           operation = "send patch"
	patchUndone         operation = "patch undone"
	commitUpdate        operation = "commit update"
	failUpdate          operation = "fail update"
	openSagas           operation = "open sagas"
	staleClosings       operation = "stale closings"
)

// handle handles one call with the next scripted behaviour. A refusal is a *minigroup.Error.
func (l ledger) handle(ctx context.Context, o operation, take func(context.Context) error) error {
	return l.world.handle(o, call{ctx: ctx, execute: take, fail: func(how failureMode) error {
		if how == refusal {
			return minigroup.Errorf(minigroup.UpstreamRefused, "%s: scripted", o)
		}
		return errors.New(string(o) + ": the connection broke")
	}})
}

// superseded fails because another run owns the minigroup.
func superseded(call) error { return minigroup.Supersededf("scripted") }

// query is handle for a call that returns a value.
func query[T any](
	ctx context.Context, l ledger, o operation, execute func(context.Context) (T, error),
) (out T, err error) {
	err = l.handle(ctx, o, func(ctx context.Context) (err error) { out, err = execute(ctx); return err })
	return out, err
}

func (l ledger) BeginCreate(ctx context.Context, c minigroup.CreateEntry) (minigroup.BegunCreate, error) {
	out, err := query(ctx, l, beginCreate, func(ctx context.Context) (minigroup.BegunCreate, error) {
		return l.Store.BeginCreate(ctx, c)
	})
	if err != nil {
		l.unknownAttempts.Store(true)
	}
	return out, err
}

func (l ledger) Establish(
	ctx context.Context, run string, id uuid.UUID, gateways bool,
) (minigroup.Minigroup, error) {
	return query(ctx, l, establish, func(ctx context.Context) (minigroup.Minigroup, error) {
		return l.Store.Establish(ctx, run, id, gateways)
	})
}

func (l ledger) BeginUndo(
	ctx context.Context, claim minigroup.Claim, id uuid.UUID, request *minigroup.CreateRequest, reason minigroup.Failure,
) (minigroup.BegunUndo, error) {
	return query(ctx, l, beginUndo, func(ctx context.Context) (minigroup.BegunUndo, error) {
		return l.Store.BeginUndo(ctx, claim, id, request, reason)
	})
}

func (l ledger) EndUndo(
	ctx context.Context, run string, id uuid.UUID,
) (reason minigroup.Failure, open []minigroup.RoomPendingClose, err error) {
	err = l.handle(ctx, endUndo, func(ctx context.Context) (err error) {
		reason, open, err = l.Store.EndUndo(ctx, run, id)
		return err
	})
	return reason, open, err
}

func (l ledger) OpenAttempt(ctx context.Context, a minigroup.AttemptEntry) (minigroup.Attempt, error) {
	return query(ctx, l, openAttempt, func(ctx context.Context) (minigroup.Attempt, error) {
		return l.Store.OpenAttempt(ctx, a)
	})
}

func (l ledger) AnswerAttempt(
	ctx context.Context, id, room uuid.UUID, c minigroup.RunningCreate,
) (state minigroup.AttemptState, established *minigroup.Minigroup, err error) {
	err = l.handle(ctx, answerAttempt, func(ctx context.Context) (err error) {
		state, established, err = l.Store.AnswerAttempt(ctx, id, room, l.completes(c))
		return err
	})
	return state, established, err
}

func (l ledger) completes(c minigroup.RunningCreate) minigroup.RunningCreate {
	if !l.joint.Load() {
		return minigroup.RunningCreate{}
	}
	return c
}

func (l ledger) RoomLocked(
	ctx context.Context, room uuid.UUID, c minigroup.RunningCreate,
) (established *minigroup.Minigroup, err error) {
	return query(ctx, l, roomLocked, func(ctx context.Context) (*minigroup.Minigroup, error) {
		return l.Store.RoomLocked(ctx, room, l.completes(c))
	})
}

func (l ledger) RoomReleased(ctx context.Context, room uuid.UUID) error {
	return l.handle(ctx, roomReleased, func(ctx context.Context) error { return l.Store.RoomReleased(ctx, room) })
}

func (l ledger) MoveReservation(
	ctx context.Context, run string, request minigroup.CreateRequest, from, to uuid.UUID, group string,
) error {
	return l.handle(ctx, moveReservation, func(ctx context.Context) error {
		return l.Store.MoveReservation(ctx, run, request, from, to, group)
	})
}

func (l ledger) ReservationHeld(
	ctx context.Context, id uuid.UUID, c minigroup.RunningCreate,
) (slots int32, established *minigroup.Minigroup, err error) {
	err = l.handle(ctx, reservationHeld, func(ctx context.Context) (err error) {
		slots, established, err = l.Store.ReservationHeld(ctx, id, l.completes(c))
		return err
	})
	return slots, established, err
}

func (l ledger) ReservationReleased(ctx context.Context, id uuid.UUID) error {
	return l.handle(ctx, reservationReleased, func(ctx context.Context) error {
		return l.Store.ReservationReleased(ctx, id)
	})
}

func (l ledger) ReadForUpdate(
	ctx context.Context, claim minigroup.Claim, classID, updateID uuid.UUID,
) (minigroup.BegunUpdate, error) {
	return query(ctx, l, readForUpdate, func(ctx context.Context) (minigroup.BegunUpdate, error) {
		return l.Store.ReadForUpdate(ctx, claim, classID, updateID)
	})
}

func (l ledger) TakeForUpdate(
	ctx context.Context, claim minigroup.Claim, classID, updateID uuid.UUID,
) (minigroup.BegunUpdate, error) {
	return query(ctx, l, takeForUpdate, func(ctx context.Context) (minigroup.BegunUpdate, error) {
		return l.Store.TakeForUpdate(ctx, claim, classID, updateID)
	})
}

func (l ledger) BeginUpdate(ctx context.Context, u minigroup.UpdateEntry) error {
	return l.handle(ctx, beginUpdate, func(ctx context.Context) error { return l.Store.BeginUpdate(ctx, u) })
}

func (l ledger) BeginRecreate(
	ctx context.Context, r minigroup.RecreateEntry,
) (event, conference uuid.UUID, err error) {
	err = l.handle(ctx, beginRecreate, func(ctx context.Context) (err error) {
		event, conference, err = l.Store.BeginRecreate(ctx, r)
		return err
	})
	if err != nil {
		l.unknownAttempts.Store(true)
	}
	return event, conference, err
}

func (l ledger) SwapRooms(ctx context.Context, run string, id uuid.UUID) error {
	return l.handle(ctx, swapRooms, func(ctx context.Context) error { return l.Store.SwapRooms(ctx, run, id) })
}

// SendPatch expires a PATCH in flight once it has reported it. The step then waits for its deadline on the clock of the
// workflow, which skips time, so the deadline in Postgres has to pass as well.
func (l ledger) SendPatch(
	ctx context.Context, run string, id uuid.UUID, requestTimeout time.Duration,
) (rec minigroup.UpdateRecord, sent bool, err error) {
	err = l.handle(ctx, sendPatch, func(ctx context.Context) (err error) {
		rec, sent, err = l.Store.SendPatch(ctx, run, id, requestTimeout)
		if err == nil && !sent && rec.PatchLeft > 0 {
			_, err = l.db.Exec(ctx, `
				UPDATE minigroup_update SET patch_until = now() WHERE id = $1 AND patch_until IS NOT NULL`, id)
		}
		return err
	})
	return rec, sent, err
}

func (l ledger) PatchUndone(ctx context.Context, run string, id uuid.UUID, number int) error {
	return l.handle(ctx, patchUndone, func(ctx context.Context) error { return l.Store.PatchUndone(ctx, run, id, number) })
}

func (l ledger) CommitUpdate(ctx context.Context, run string, id uuid.UUID) (changesGateway bool, err error) {
	return changesGateway, l.handle(ctx, commitUpdate, func(ctx context.Context) (err error) {
		changesGateway, err = l.Store.CommitUpdate(ctx, run, id)
		return err
	})
}

func (l ledger) FailUpdate(
	ctx context.Context, claim minigroup.Claim, classID, id uuid.UUID, c minigroup.Change, reason minigroup.Failure,
	mode minigroup.FailMode,
) (minigroup.UpdateState, error) {
	return query(ctx, l, failUpdate, func(ctx context.Context) (minigroup.UpdateState, error) {
		return l.Store.FailUpdate(ctx, claim, classID, id, c, reason, mode)
	})
}

func (l ledger) OpenSagas(ctx context.Context, minAge time.Duration, limit int) ([]minigroup.OpenSaga, error) {
	return query(ctx, l, openSagas, func(ctx context.Context) ([]minigroup.OpenSaga, error) {
		return l.Store.OpenSagas(ctx, minAge, limit)
	})
}

func (l ledger) StaleClosings(
	ctx context.Context, minAge time.Duration, limit int,
) ([]minigroup.RoomPendingClose, error) {
	return query(ctx, l, staleClosings, func(ctx context.Context) ([]minigroup.RoomPendingClose, error) {
		return l.Store.StaleClosings(ctx, minAge, limit)
	})
}
