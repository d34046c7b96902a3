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

// ledger is the real ledger, of which single calls can be told to fail before or after they took effect.
type ledger struct {
	*storage.Store
	world *world
	db    *pgxpool.Pool
	// forgotten says that attempts may have been written of which no process has heard.
	unknownAttempts *atomic.Bool
}

const (
	beginCreate         operation = "begin create"
	establish           operation = "establish"
	beginUndo           operation = "condemn"
	endUndo             operation = "fail"
	openAttempt         operation = "open attempt"
	answerAttempt       operation = "answer attempt"
	roomLocked          operation = "room locked"
	roomReleased        operation = "room released"
	moveReservation     operation = "move reservation"
	reservationHeld     operation = "reservation held"
	reservationReleased operation = "reservation released"
	takeForUpdate       operation = "take for update"
	beginUpdate         operation = "begin update"
	beginRecreate       operation = "begin recreate"
	swapRooms           operation = "swap rooms"
	sendPatch           operation = "send patch"
	patchUndone         operation = "patch undone"
	commitUpdate        operation = "commit update"
	failUpdate          operation = "fail update"
	openSagas           operation = "open sagas"
	staleClosings       operation = "forgotten rooms"
)

// do carries out one call of the ledger. A ledger refuses with words of its own.
func (l ledger) handle(ctx context.Context, o operation, take func(context.Context) error) error {
	return l.world.handle(o, call{ctx: ctx, take: take, answer: func(how outcome) error {
		if how == refusal {
			return minigroup.Errorf(minigroup.UpstreamRefused, "%s: told by the test", o)
		}
		return errors.New(string(o) + ": the connection broke")
	}})
}

// superseded answers that the run has no say any more.
func superseded(call) error { return minigroup.Supersededf("told by the test") }

func (l ledger) BeginCreate(ctx context.Context, c minigroup.CreateEntry) (out minigroup.BegunCreate, err error) {
	err = l.handle(ctx, beginCreate, func(ctx context.Context) (err error) { out, err = l.Store.BeginCreate(ctx, c); return err })
	if err != nil {
		l.unknownAttempts.Store(true)
	}
	return out, err
}

func (l ledger) Establish(ctx context.Context, run string, id uuid.UUID, gateways bool) (out minigroup.Minigroup, err error) {
	err = l.handle(ctx, establish, func(ctx context.Context) (err error) {
		out, err = l.Store.Establish(ctx, run, id, gateways)
		return err
	})
	return out, err
}

func (l ledger) BeginUndo(ctx context.Context, claim minigroup.Claim, id uuid.UUID, request *minigroup.CreateRequest, reason minigroup.Failure) (out minigroup.BegunUndo, err error) {
	err = l.handle(ctx, beginUndo, func(ctx context.Context) (err error) {
		out, err = l.Store.BeginUndo(ctx, claim, id, request, reason)
		return err
	})
	return out, err
}

func (l ledger) EndUndo(ctx context.Context, run string, id uuid.UUID) (reason minigroup.Failure, open []minigroup.RoomPendingClose, err error) {
	err = l.handle(ctx, endUndo, func(ctx context.Context) (err error) { reason, open, err = l.Store.EndUndo(ctx, run, id); return err })
	return reason, open, err
}

func (l ledger) OpenAttempt(ctx context.Context, a minigroup.AttemptEntry) (out minigroup.Attempt, err error) {
	err = l.handle(ctx, openAttempt, func(ctx context.Context) (err error) { out, err = l.Store.OpenAttempt(ctx, a); return err })
	return out, err
}

func (l ledger) AnswerAttempt(ctx context.Context, id, room uuid.UUID) (out minigroup.AttemptState, err error) {
	err = l.handle(ctx, answerAttempt, func(ctx context.Context) (err error) { out, err = l.Store.AnswerAttempt(ctx, id, room); return err })
	return out, err
}

func (l ledger) RoomLocked(ctx context.Context, room uuid.UUID) error {
	return l.handle(ctx, roomLocked, func(ctx context.Context) error { return l.Store.RoomLocked(ctx, room) })
}

func (l ledger) RoomReleased(ctx context.Context, room uuid.UUID) error {
	return l.handle(ctx, roomReleased, func(ctx context.Context) error { return l.Store.RoomReleased(ctx, room) })
}

func (l ledger) MoveReservation(ctx context.Context, run string, request minigroup.CreateRequest, from, to uuid.UUID, group string) error {
	return l.handle(ctx, moveReservation, func(ctx context.Context) error { return l.Store.MoveReservation(ctx, run, request, from, to, group) })
}

func (l ledger) ReservationHeld(ctx context.Context, id uuid.UUID) error {
	return l.handle(ctx, reservationHeld, func(ctx context.Context) error { return l.Store.ReservationHeld(ctx, id) })
}

func (l ledger) ReservationReleased(ctx context.Context, id uuid.UUID) error {
	return l.handle(ctx, reservationReleased, func(ctx context.Context) error { return l.Store.ReservationReleased(ctx, id) })
}

func (l ledger) TakeForUpdate(ctx context.Context, claim minigroup.Claim, classID, updateID uuid.UUID) (out minigroup.BegunUpdate, err error) {
	err = l.handle(ctx, takeForUpdate, func(ctx context.Context) (err error) {
		out, err = l.Store.TakeForUpdate(ctx, claim, classID, updateID)
		return err
	})
	return out, err
}

func (l ledger) BeginUpdate(ctx context.Context, u minigroup.UpdateEntry) error {
	return l.handle(ctx, beginUpdate, func(ctx context.Context) error { return l.Store.BeginUpdate(ctx, u) })
}

func (l ledger) BeginRecreate(ctx context.Context, r minigroup.RecreateEntry) error {
	err := l.handle(ctx, beginRecreate, func(ctx context.Context) error { return l.Store.BeginRecreate(ctx, r) })
	if err != nil {
		l.unknownAttempts.Store(true)
	}
	return err
}

func (l ledger) SwapRooms(ctx context.Context, run string, id uuid.UUID) error {
	return l.handle(ctx, swapRooms, func(ctx context.Context) error { return l.Store.SwapRooms(ctx, run, id) })
}

// SendPatch tells once that a PATCH may be in flight. A step that hears so waits for its moment on the clock of the workflow,
// which skips the wait; so the clock of Postgres has to skip it too.
func (l ledger) SendPatch(ctx context.Context, run string, id uuid.UUID, flight time.Duration) (rec minigroup.UpdateRecord, sent bool, err error) {
	err = l.handle(ctx, sendPatch, func(ctx context.Context) (err error) {
		rec, sent, err = l.Store.SendPatch(ctx, run, id, flight)
		if err == nil && !sent && rec.PatchLeft > 0 {
			_, err = l.db.Exec(ctx, `UPDATE minigroup_update SET patch_until = now() WHERE id = $1 AND patch_until IS NOT NULL`, id)
		}
		return err
	})
	return rec, sent, err
}

func (l ledger) PatchUndone(ctx context.Context, run string, id uuid.UUID, number int) error {
	return l.handle(ctx, patchUndone, func(ctx context.Context) error { return l.Store.PatchUndone(ctx, run, id, number) })
}

func (l ledger) CommitUpdate(ctx context.Context, run string, id uuid.UUID) error {
	return l.handle(ctx, commitUpdate, func(ctx context.Context) error { return l.Store.CommitUpdate(ctx, run, id) })
}

func (l ledger) FailUpdate(ctx context.Context, claim minigroup.Claim, classID, id uuid.UUID, c minigroup.Change, reason minigroup.Failure, unlessSent bool) (out minigroup.UpdateState, err error) {
	err = l.handle(ctx, failUpdate, func(ctx context.Context) (err error) {
		out, err = l.Store.FailUpdate(ctx, claim, classID, id, c, reason, unlessSent)
		return err
	})
	return out, err
}

func (l ledger) OpenSagas(ctx context.Context, quiet time.Duration, limit int) (out []minigroup.OpenSaga, err error) {
	err = l.handle(ctx, openSagas, func(ctx context.Context) (err error) { out, err = l.Store.OpenSagas(ctx, quiet, limit); return err })
	return out, err
}

func (l ledger) StaleClosings(ctx context.Context, quiet time.Duration, limit int) (out []minigroup.RoomPendingClose, err error) {
	err = l.handle(ctx, staleClosings, func(ctx context.Context) (err error) {
		out, err = l.Store.StaleClosings(ctx, quiet, limit)
		return err
	})
	return out, err
}
