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
// that, or if conference has closed the room meanwhile. It returns whether a gateway has to change its room for the
// class, or *minigroup.SupersededError if the run may not act on the update. Called twice, it does the same once.
func (s *Store) CommitUpdate(ctx context.Context, run string, id uuid.UUID) (changesGateway bool, err error) {
	type result struct{ committed, changesGateway bool }
	r, err := inGroup(ctx, s, "commit update", func(batch *pgx.Batch, r *result) {
		batch.Queue(lockClassOf, id)
		batch.Queue(commitUpdate, id, run).Exec(wrote(&r.committed))
		batch.Queue(endAfterCommit, id, s.publishEvents)
		batch.Queue(changesGateways, id).Query(scanned(&r.changesGateway))
	})
	if err != nil || r.committed {
		return r.changesGateway, err
	}
	rec, err := s.UpdateRecord(ctx, id)
	switch {
	case err != nil:
		return false, wrap("commit update", err)
	case rec.State == minigroup.UpdateDone:
		return r.changesGateway, nil
	default:
		return false, notOwner(id)
	}
}

// changesGateways reports whether the committed update $1 has changed the number of slots, or has left slots to be made
// or given back. A gateway does not know their window.
const changesGateways = `
	SELECT EXISTS (
		SELECT FROM minigroup_update u JOIN janus_reservation r ON r.class_id = u.class_id
		WHERE u.id = $1 AND (r.state IN ('pending', 'releasing')
			OR r.state = 'held' AND u.old_reserve IS DISTINCT FROM u.new_reserve))`

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
// created are marked for closing, and the class ends if conference has closed its room meanwhile. The mode says what is
// done about a PATCH that may have reached conference. An update that never began is written as failed, so that its
// caller finds out. Called twice, it does the same once.
//
// It returns *minigroup.SupersededError if the run may not act on the update, and *minigroup.OwnedError if the update
// never began and another run owns the minigroup.
func (s *Store) FailUpdate(
	ctx context.Context, claim minigroup.Claim, classID, id uuid.UUID, c minigroup.Change, reason minigroup.Failure,
	mode minigroup.FailMode,
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
		if state, err = failLocked(ctx, tx, classID, id, state, reason, mode); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, endClosed, classID, s.publishEvents)
		return err
	})
	return state, err
}

// failUpdate fails the update $1, unless $3 is set and a PATCH of it may have been executed. With $4, such a PATCH is
// looked for.
const failUpdate = `
	UPDATE minigroup_update SET state = 'failed', failure = $2, decided_at = now(), patch_until = NULL,
		look_up_at = CASE WHEN $4 AND patch_until IS NOT NULL THEN greatest(patch_until, now()) ELSE look_up_at END
	WHERE id = $1 AND state IN ('requested', 'running') AND (NOT $3 OR patch_until IS NULL)`

// failLocked fails an update that is undecided in this state and whose minigroup is locked, and returns its new state.
func failLocked(
	ctx context.Context, tx pgx.Tx, classID, id uuid.UUID, state minigroup.UpdateState, reason minigroup.Failure,
	mode minigroup.FailMode,
) (minigroup.UpdateState, error) {
	tag, err := tx.Exec(ctx, failUpdate, id, stored.NewFailure(&reason),
		mode == minigroup.FailUnlessSent, mode == minigroup.FailUndecided)
	if err != nil || tag.RowsAffected() == 0 {
		return state, err
	}
	if state != minigroup.UpdateRunning {
		return minigroup.UpdateFailed, nil
	}
	var batch pgx.Batch
	queueRelease(&batch, classID, id)
	return minigroup.UpdateFailed, tx.SendBatch(ctx, &batch).Close()
}

// UndecidedUpdate reads the undecided update of a class that is to be decided first: the one that is running, or else
// the first that was requested. It returns nil if there is none.
func (s *Store) UndecidedUpdate(ctx context.Context, classID uuid.UUID) (*minigroup.UpdateRecord, error) {
	return readUndecided(ctx, s.pool, classID)
}

func readUndecided(ctx context.Context, q querier, classID uuid.UUID) (*minigroup.UpdateRecord, error) {
	return scanUpdate(q.QueryRow(ctx, `
		SELECT `+updateColumns+` FROM minigroup_update u WHERE u.class_id = $1 AND u.state IN ('requested', 'running')
		ORDER BY u.state = 'running' DESC, u.number LIMIT 1`, classID))
}

// ForceFailUpdate fails the update that UndecidedUpdate returns, whichever run carries it out, as FailUpdate does with
// minigroup.FailUndecided. It returns the update as it was before, or nil if there was none. The run finds at its next
// step that the update is decided. If conference has closed the room of the class, the sweeper ends the class.
func (s *Store) ForceFailUpdate(
	ctx context.Context, classID uuid.UUID, by minigroup.Requester, reason minigroup.Failure,
) (failed *minigroup.UpdateRecord, err error) {
	who, err := actor(by)
	if err != nil {
		return nil, err
	}
	err = s.inTx(ctx, "force update to fail", func(tx pgx.Tx) error {
		if _, err := lockRow(ctx, tx, classID); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, actAs, who); err != nil {
			return err
		}
		if failed, err = readUndecided(ctx, tx, classID); err != nil || failed == nil {
			return err
		}
		_, err := failLocked(ctx, tx, classID, failed.ID, failed.State, reason, minigroup.FailUndecided)
		return err
	})
	return failed, err
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
