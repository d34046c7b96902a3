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

// BeginUndo begins the undo of a create: the row becomes undoing, and every attempt and reservation of the class is
// marked for closing, including requests in flight. It returns what has to be closed. A ready minigroup is not changed.
// If there is no row, one is inserted from the request, so that its caller finds out what became of it; without a
// request, nothing is inserted. Called twice, it does the same once.
//
// It returns *minigroup.OwnedError if another run owns the row.
func (s *Store) BeginUndo(
	ctx context.Context, claim minigroup.Claim, id uuid.UUID, request *minigroup.CreateRequest, reason minigroup.Failure,
) (minigroup.BegunUndo, error) {
	var out minigroup.BegunUndo
	err := s.inTx(ctx, "begin undo", func(tx pgx.Tx) error {
		out = minigroup.BegunUndo{State: minigroup.Undoing}
		failure := stored.NewFailure(&reason)
		if request != nil {
			fresh, err := insertRow(ctx, tx, claim.Run, minigroup.Undoing, *request, failure)
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
		neverBegan := request != nil && row.owner != claim.Run // its create ended before it took the row
		if row.state == minigroup.Ready || (row.state == minigroup.Failed && !neverBegan) {
			out.State, out.Failure = row.state, row.failure
			return nil
		}
		if err := row.allows(claim); err != nil {
			return err
		}
		if neverBegan {
			if err := takeForCreate(ctx, tx, claim.Run, *request); err != nil {
				return err
			}
		} else if row.state == minigroup.Undoing {
			failure = stored.NewFailure(row.failure) // the first reason stays
		}
		return releaseAll(ctx, tx, claim.Run, id, failure, &out)
	})
	return out, err
}

// releaseAll moves a minigroup to undoing and marks everything for closing that its class has.
func releaseAll(
	ctx context.Context, tx pgx.Tx, run string, id uuid.UUID, failure *stored.Failure, out *minigroup.BegunUndo,
) error {
	var batch pgx.Batch
	batch.Queue(`
		UPDATE minigroup SET state = 'undoing', owner = $2, failure = $3, changed_at = now() WHERE id = $1`,
		id, run, failure)
	batch.Queue(`
		UPDATE room_attempt SET state = 'releasing', changed_at = now()
		WHERE class_id = $1 AND state IN ('sent', 'held')`, id)
	batch.Queue(`
		UPDATE janus_reservation SET state = 'releasing', next_slots = NULL, next_during = NULL, changed_at = now()
		WHERE class_id = $1 AND state IN ('pending', 'held')`, id)
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("mark everything for closing: %w", err)
	}
	var err error
	if out.Rooms, err = roomsPendingCloseOf(ctx, tx, id); err != nil {
		return err
	}
	out.Reservations, err = list(ctx, tx, "list reservations to release", pgx.RowTo[uuid.UUID], `
		SELECT id FROM janus_reservation WHERE class_id = $1 AND state = 'releasing' ORDER BY created_at`, id)
	return err
}

// EndUndo makes a minigroup failed whose rooms with a known id are all closed, and returns the reason. If some are
// open, it returns those and changes nothing. Rooms whose ids become known later are closed by runs of their own.
// EndUndo returns *minigroup.SupersededError if the run does not own an undo of this minigroup. Called twice, it does
// the same once.
func (s *Store) EndUndo(
	ctx context.Context, run string, id uuid.UUID,
) (reason minigroup.Failure, open []minigroup.RoomPendingClose, err error) {
	err = s.inTx(ctx, "end undo", func(tx pgx.Tx) error {
		row, err := lockRow(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := row.requireOwner(run, minigroup.Undoing, minigroup.Failed); err != nil {
			return err
		}
		reason = *row.failure
		if row.state == minigroup.Failed {
			return nil
		}
		if open, err = roomsPendingCloseOf(ctx, tx, id); err != nil || len(open) > 0 {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE minigroup SET state = 'failed', failed_at = now(), changed_at = now() WHERE id = $1`, id)
		return err
	})
	return reason, open, err
}
