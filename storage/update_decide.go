package storage

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/stored"
)

// CommitUpdate writes the new values of an update that conference has accepted. The class ends if the update asks for
// that, or if conference has closed the room meanwhile. It returns *minigroup.SupersededError if the run may not act on
// the update. Called twice, it does the same once.
func (s *Store) CommitUpdate(ctx context.Context, run string, id uuid.UUID) error {
	var committed bool
	err := s.inBatch(ctx, "commit update", func(batch *pgx.Batch) {
		batch.Queue(lockClassOf, id)
		batch.Queue(commitUpdate, id, run).Exec(wrote(&committed))
		batch.Queue(endAfterCommit, id, s.publishEvents)
	})
	if err != nil || committed {
		return err
	}
	rec, err := s.UpdateRecord(ctx, id)
	switch {
	case err != nil:
		return wrap("commit update", err)
	case rec.State == minigroup.UpdateDone:
		return nil
	default:
		return notOwner(id)
	}
}

// commitSlots makes the new slots and window of reservations r the only ones, or gives them back, as an update u
// requests; a FROM item u and a WHERE clause follow.
const commitSlots = `
	UPDATE janus_reservation r SET slots = coalesce(next_slots, slots), during = coalesce(next_during, during),
		next_slots = NULL, next_during = NULL, update_id = NULL, changed_at = now(),
		state = CASE WHEN coalesce(u.new_reserve, 0) = 0 THEN 'releasing' ELSE r.state END
	FROM `

// commitUpdate commits the update $1 of the run $2, whose minigroup is locked.
const commitUpdate = `
	WITH u AS (
		UPDATE minigroup_update SET state = 'done', decided_at = now(), patch_until = NULL
		WHERE ` + ownsUpdate + `
		RETURNING id, class_id, new_during, new_reserve, new_host
	), slots AS (` + commitSlots + `u WHERE r.class_id = u.class_id AND r.state IN ('pending', 'held')
	)
	UPDATE minigroup m SET during = u.new_during, reserve = u.new_reserve, host = u.new_host,
		last_update_id = nullif(m.last_update_id, u.id), changed_at = now()
	FROM u WHERE m.id = u.class_id`

// endAfterCommit ends the class of the update $1 if the update asks for that and was committed in this transaction, or
// if conference has closed the room.
var endAfterCommit = end(`
	m.id = (SELECT class_id FROM minigroup_update WHERE id = $1) AND (` + hasClosed + ` OR EXISTS (
	SELECT FROM minigroup_update u WHERE u.id = $1 AND u.state = 'done' AND u.ends_class AND u.decided_at = now()))`)

// FailUpdate ends an update with nothing changed, and returns the state of the update. Rooms that the update has
// created are marked for closing, and the class ends if conference has closed its room meanwhile. With unlessSent, an
// update whose PATCH may have reached conference stays running. An update that never began is written as failed, so
// that its caller finds out. Called twice, it does the same once.
//
// It returns *minigroup.SupersededError if the run may not act on the update, and *minigroup.OwnedError if the update
// never began and another run owns the minigroup.
func (s *Store) FailUpdate(
	ctx context.Context, claim minigroup.Claim, classID, id uuid.UUID, c minigroup.Change, reason minigroup.Failure,
	unlessSent bool,
) (state minigroup.UpdateState, err error) {
	// Callers that waited have received a failed precondition at once.
	shown := reason.Kind != minigroup.PreconditionFailed && !c.Repair
	err = s.inTx(ctx, "fail update", func(tx pgx.Tx) error {
		if err := writeRequested(ctx, tx, claim, classID, id, c, shown); err != nil {
			return err
		}
		if _, state, err = lockUpdate(ctx, tx, claim.Run, id); err != nil {
			return err
		}
		if state == minigroup.UpdateDone || state == minigroup.UpdateFailed {
			return nil
		}
		tag, err := tx.Exec(ctx, `
			UPDATE minigroup_update SET state = 'failed', failure = $2, decided_at = now(), patch_until = NULL
			WHERE id = $1 AND (NOT $3 OR patch_until IS NULL)`, id, stored.NewFailure(&reason), unlessSent)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		var batch pgx.Batch
		if state == minigroup.UpdateRunning {
			queueRelease(&batch, classID, id)
		}
		batch.Queue(endClosed, classID, s.publishEvents)
		state = minigroup.UpdateFailed
		return tx.SendBatch(ctx, &batch).Close()
	})
	return state, err
}

// queueRelease gives back the slots that an update has requested, and marks the rooms for closing that it has created.
func queueRelease(batch *pgx.Batch, classID, update uuid.UUID) {
	batch.Queue(`
		UPDATE janus_reservation SET next_slots = NULL, next_during = NULL, update_id = NULL, changed_at = now(),
			state = CASE WHEN update_id IS DISTINCT FROM $2 THEN state
				WHEN state = 'pending' AND NOT doubtful THEN 'released' ELSE 'releasing' END
		WHERE class_id = $1 AND state IN ('pending', 'held')`, classID, update)
	batch.Queue(`
		UPDATE room_attempt SET state = 'releasing', changed_at = now()
		WHERE class_id = $1 AND operation = 'recreate' AND state IN ('sent', 'held')`, classID)
}

// lockClassOf locks the minigroup of the update $1.
const lockClassOf = `
	SELECT m.owner, m.id FROM minigroup m WHERE m.id = (SELECT class_id FROM minigroup_update WHERE id = $1) FOR UPDATE`

// lockUpdate locks an update and its minigroup, and returns *minigroup.SupersededError if the update is running and the
// run does not own both.
func lockUpdate(
	ctx context.Context, tx pgx.Tx, run string, id uuid.UUID,
) (classID uuid.UUID, state minigroup.UpdateState, err error) {
	var owner, carrier string
	if err = tx.QueryRow(ctx, lockClassOf, id).Scan(&owner, &classID); err != nil {
		return classID, state, fmt.Errorf("lock minigroup: %w", err)
	}
	err = tx.QueryRow(ctx, `SELECT state, run FROM minigroup_update WHERE id = $1 FOR UPDATE`, id).Scan(&state, &carrier)
	if err != nil {
		return classID, state, fmt.Errorf("lock update: %w", err)
	}
	if state == minigroup.UpdateRunning && (owner != run || carrier != run) {
		return classID, state, notOwner(id)
	}
	return classID, state, nil
}
