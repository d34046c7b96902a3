package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/stored"
)

// Condemn begins the undo of a create that was not established: the row moves to undoing, and every attempt and
// reservation of the class is condemned, those in flight included. It tells what has to be closed. A minigroup that is
// ready is left alone. Where there is no row, one is made from the draft, so that whoever asked for it finds out what
// became of it; without a draft nothing is made. Done twice it does the same once.
//
// It returns *minigroup.OwnedError where another run owns the row.
func (s *Store) BeginUndo(ctx context.Context, claim minigroup.Claim, id uuid.UUID, request *minigroup.CreateRequest, reason minigroup.Failure) (minigroup.BegunUndo, error) {
	var out minigroup.BegunUndo
	err := s.inTx(ctx, "begin undo", func(tx pgx.Tx) error {
		out = minigroup.BegunUndo{State: minigroup.Undoing}
		failure := *stored.NewFailure(&reason)
		if request != nil {
			fresh, err := insertRow(ctx, tx, claim.Run, minigroup.Undoing, *request, &failure)
			if err != nil || fresh {
				return err
			}
		}
		row, err := lockRow(ctx, tx, id)
		if errors.Is(err, pgx.ErrNoRows) {
			out.State = ""
			return nil
		}
		if err != nil {
			return err
		}
		restarted := request != nil && row.owner != claim.Run // a create that ended before it had begun
		if row.state == minigroup.Ready || (row.state == minigroup.Failed && !restarted) {
			out.State, out.Failure = row.state, row.failure
			return nil
		}
		if err := row.allows(claim); err != nil {
			return err
		}
		if restarted {
			if err := takeForCreate(ctx, tx, claim.Run, *request); err != nil {
				return err
			}
		} else if row.state == minigroup.Undoing {
			failure = *stored.NewFailure(row.failure) // the first reason is the one to tell
		}
		return releaseAll(ctx, tx, claim.Run, id, failure, &out)
	})
	return out, err
}

func releaseAll(ctx context.Context, tx pgx.Tx, run string, id uuid.UUID, failure stored.Failure, out *minigroup.BegunUndo) error {
	for _, q := range []struct {
		doing, sql string
		args       []any
	}{
		{"move to undoing", `UPDATE minigroup SET state = 'undoing', owner = $2, failure = $3, changed_at = now() WHERE id = $1`, []any{id, run, failure}},
		{"condemn rooms", `UPDATE room_attempt SET state = 'releasing', changed_at = now() WHERE class_id = $1 AND state IN ('sent', 'held')`, []any{id}},
		{"condemn reservation", `UPDATE janus_reservation SET state = 'releasing', next_slots = NULL, next_during = NULL, changed_at = now()
			WHERE class_id = $1 AND state IN ('pending', 'held')`, []any{id}},
	} {
		if _, err := tx.Exec(ctx, q.sql, q.args...); err != nil {
			return fmt.Errorf("%s: %w", q.doing, err)
		}
	}
	var err error
	if out.Rooms, err = roomsPendingCloseOf(ctx, tx, id); err != nil {
		return err
	}
	out.Reservations, err = releasingReservations(ctx, tx, id)
	return err
}

// Fail ends an undo: the row is failed, unless condemned rooms with an id are open; then those are returned and nothing is
// changed. It also returns the reason that is told, and *minigroup.SupersededError where the run does not own an undo of
// this minigroup. Rooms whose ids turn up later are closed by themselves. Done twice it does the same once.
func (s *Store) EndUndo(ctx context.Context, run string, id uuid.UUID) (reason minigroup.Failure, open []minigroup.RoomPendingClose, err error) {
	err = s.inTx(ctx, "end undo", func(tx pgx.Tx) error {
		row, err := lockRow(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := row.demand(run, minigroup.Undoing, minigroup.Failed); err != nil {
			return err
		}
		reason = *row.failure
		if row.state == minigroup.Failed {
			return nil
		}
		if open, err = roomsPendingCloseOf(ctx, tx, id); err != nil || len(open) > 0 {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE minigroup SET state = 'failed', failed_at = now(), changed_at = now() WHERE id = $1`, id)
		return err
	})
	return reason, open, err
}
