package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// AnnounceUpdate writes that the update was asked for, so that a caller who was told to come back finds it, also when its
// run has not begun. The run takes the row by it: what an earlier one has not begun must not come after. It changes nothing
// where the update is known, and returns *minigroup.OwnedError as TakeForUpdate does.
func (s *Store) AnnounceUpdate(ctx context.Context, claim minigroup.Claim, classID, updateID uuid.UUID, c minigroup.Change) error {
	return s.inTx(ctx, "announce update", func(tx pgx.Tx) error { return claimUnbegun(ctx, tx, claim, classID, updateID, c, true) })
}

// TakeForUpdate takes the row for a run that is to carry out the update, and tells how far that is: requested (it has yet
// to begin), running, done or failed; or which other update has to be settled first. What is decided is left alone.
//
// It returns *minigroup.OwnedError where another run owns the row, and NotReady where the minigroup cannot be updated.
func (s *Store) TakeForUpdate(ctx context.Context, claim minigroup.Claim, classID, updateID uuid.UUID) (minigroup.BegunUpdate, error) {
	var begun minigroup.BegunUpdate
	err := s.inTx(ctx, "take for update", func(tx pgx.Tx) error {
		begun = minigroup.BegunUpdate{State: minigroup.UpdateRequested}
		row, err := lockRow(ctx, tx, classID)
		if err != nil {
			return err
		}
		known, err := readUpdate(ctx, tx, `u.id = $1`, updateID)
		if err != nil {
			return err
		}
		if known != nil {
			begun.State, begun.Failure = known.State, known.Failure
		}
		if begun.State == minigroup.UpdateDone || begun.State == minigroup.UpdateFailed {
			return nil
		}
		if row.state != minigroup.Ready {
			return minigroup.Errorf(minigroup.NotReady, "the minigroup is %s", row.state)
		}
		if err := row.allows(claim); err != nil {
			return err
		}
		if err := takeUpdate(ctx, tx, row, claim.Run, classID, updateID); err != nil || begun.State == minigroup.UpdateRunning {
			return err
		}
		running, err := readUpdate(ctx, tx, `u.class_id = $1 AND u.state = 'running'`, classID)
		if err == nil && running != nil {
			begun.Unfinished, begun.UnfinishedRecreate = running.ID, running.Requested.Recreate != nil
		}
		return err
	})
	return begun, err
}

// BeginUpdate writes the update with its old and new values; the new slots are admitted and stand beside the old until
// the update is decided. It demands that the run owns the row and returns *minigroup.SupersededError otherwise. It
// returns Closed where the class has ended, PreconditionFailed where it is not at the revision that the update demands, and
// CapacityExceeded where the slots do not fit.
func (s *Store) BeginUpdate(ctx context.Context, u minigroup.UpdateEntry) error {
	return s.inTx(ctx, "begin update", func(tx pgx.Tx) error {
		row, err := lockRow(ctx, tx, u.ClassID)
		if err != nil {
			return err
		}
		if err := row.demand(u.Run, minigroup.Ready); err != nil {
			return err
		}
		if row.closedAt != nil {
			return minigroup.Errorf(minigroup.Closed, "the minigroup is closed")
		}
		if err := row.demandRevision(u.Change); err != nil {
			return err
		}
		if err := writeUpdate(ctx, tx, u); err != nil || !u.Gateways || u.Plan.Ends {
			return err
		}
		return reserveForUpdate(ctx, tx, u)
	})
}

// takeUpdate makes the run the owner of the row and of its undecided update. An update that was asked for earlier and whose
// run is gone before it began is over: it must not come after this one.
func takeUpdate(ctx context.Context, tx pgx.Tx, row lockedRow, run string, classID, updateID uuid.UUID) error {
	if row.owner == run {
		return nil // it has taken it before
	}
	overtaken := failureJSON{Kind: minigroup.OperationCancelled, Detail: "it was ended from outside before it began, and another operation came first"}
	var batch pgx.Batch
	batch.Queue(`UPDATE minigroup SET owner = $2 WHERE id = $1`, classID, run)
	batch.Queue(`UPDATE minigroup_update SET run = $2 WHERE class_id = $1 AND state = 'running'`, classID, run)
	batch.Queue(`
		UPDATE minigroup_update SET state = 'failed', failure = $3, decided_at = now()
		WHERE class_id = $1 AND state = 'requested' AND id <> $2`, classID, updateID, overtaken)
	return wrap("take minigroup", tx.SendBatch(ctx, &batch).Close())
}

func writeUpdate(ctx context.Context, tx pgx.Tx, u minigroup.UpdateEntry) error {
	p := u.Plan
	_, err := tx.Exec(ctx, `
		INSERT INTO minigroup_update (id, class_id, state, run, requested, old_during, old_reserve, old_host,
			new_during, new_reserve, new_host, ends_class, patch)
		SELECT $2, m.id, 'running', $3, $4, m.during, m.reserve, m.host,
			tstzrange(to_timestamp($5::bigint), to_timestamp($6::bigint)), $7, $8, $9, $10
		FROM minigroup m WHERE m.id = $1
		ON CONFLICT (id) DO UPDATE SET state = 'running', run = excluded.run, old_during = excluded.old_during, old_reserve = excluded.old_reserve,
			old_host = excluded.old_host, new_during = excluded.new_during, new_reserve = excluded.new_reserve, new_host = excluded.new_host,
			ends_class = excluded.ends_class, patch = excluded.patch`,
		u.ClassID, u.ID, u.Run, toChangeJSON(u.Change), p.Time.Start, p.Time.End, p.Reserve, p.Host, p.Ends, toPatchJSON(p.Patch))
	if err != nil {
		return fmt.Errorf("write update: %w", err)
	}
	return nil
}

// reserveForUpdate puts the new slots and window beside the old ones. Slots that are given up stay until the update commits.
func reserveForUpdate(ctx context.Context, tx pgx.Tx, u minigroup.UpdateEntry) error {
	var slots int32
	if u.Plan.Reserve != nil {
		slots = *u.Plan.Reserve
	}
	if slots == 0 {
		return nil
	}
	want := admission{group: u.Group, slots: slots, during: slotsWindow(u.Plan.Time, time.Now())}
	var same bool
	err := tx.QueryRow(ctx, `
		SELECT id, backend_id, slots = $2 AND during = tstzrange(to_timestamp($3::bigint), to_timestamp($4::bigint))
		FROM janus_reservation WHERE class_id = $1 AND state IN ('pending', 'held')`,
		u.ClassID, slots, want.during.Start, want.during.End).Scan(&want.own, &want.only, &same)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return reserve(ctx, tx, u.Reservation, u.ClassID, &u.ID, want)
	case err != nil:
		return fmt.Errorf("read reservation: %w", err)
	case same:
		return nil
	}
	if err := want.decide(ctx, tx, admit); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		UPDATE janus_reservation SET next_slots = $2, next_during = tstzrange(to_timestamp($3::bigint), to_timestamp($4::bigint)), changed_at = now()
		WHERE id = $1`, want.own, slots, want.during.Start, want.during.End)
	if err != nil {
		return fmt.Errorf("write next slots: %w", err)
	}
	return nil
}

// UpdateRecord reads an update. It returns a *minigroup.Error of kind ClassNotFound where it is unknown.
func (s *Store) UpdateRecord(ctx context.Context, id uuid.UUID) (minigroup.UpdateRecord, error) {
	rec, err := readUpdate(ctx, s.pool, `u.id = $1`, id)
	if err != nil {
		return minigroup.UpdateRecord{}, err
	}
	if rec == nil {
		return minigroup.UpdateRecord{}, minigroup.Errorf(minigroup.ClassNotFound, "there is no update %s", id)
	}
	return *rec, nil
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// readUpdate returns nil where no update meets the condition.
func readUpdate(ctx context.Context, q querier, where string, arg any) (*minigroup.UpdateRecord, error) {
	var r minigroup.UpdateRecord
	var requested, patch *changeJSON
	var failure *failureJSON
	var host *string
	var decided *time.Time
	var left *float64
	var room *uuid.UUID
	err := q.QueryRow(ctx, `
		SELECT u.id, u.class_id, u.state, u.run, u.requested, u.failure, u.decided_at, u.patch, u.patches,
			extract(epoch FROM u.patch_until - now())::float8,
			extract(epoch FROM lower(u.new_during))::bigint, extract(epoch FROM upper(u.new_during))::bigint, u.new_reserve, u.new_host, u.ends_class,
			m.conference_room_id
		FROM minigroup_update u JOIN minigroup m ON m.id = u.class_id WHERE `+where, arg).
		Scan(&r.ID, &r.ClassID, &r.State, &r.Run, &requested, &failure, &decided, &patch, &r.Patches, &left,
			&r.Plan.Time.Start, &r.Plan.Time.End, &r.Plan.Reserve, &host, &r.Plan.Ends, &room)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // absent is an answer here, not a failure
	}
	if err != nil {
		return nil, fmt.Errorf("read update: %w", err)
	}
	r.Requested, r.Failure = requested.change(), failure.failure(decided)
	r.Plan.Patch = patch.patch()
	if host != nil {
		r.Plan.Host = *host
	}
	if left != nil {
		r.PatchOpen, r.PatchLeft = true, max(0, time.Duration(*left*float64(time.Second)))
	}
	if room != nil {
		r.ConferenceRoomID = *room
	}
	return &r, nil
}

// ownsUpdate is the condition under which a run may act on an update.
const ownsUpdate = `id = $1 AND state = 'running' AND run = $2
	AND EXISTS (SELECT 1 FROM minigroup m WHERE m.id = class_id AND m.owner = $2 AND m.state = 'ready')`

// SendPatch notes that a PATCH is about to be sent and may be in flight for so long. From here on the update goes
// forward. It returns *minigroup.SupersededError where the update is not the run's to carry out or is decided, and another
// error, worth a later try, where a PATCH of it may still be in flight.
func (s *Store) SendPatch(ctx context.Context, run string, id uuid.UUID, flight time.Duration) error {
	return s.onPatch(ctx, "send patch", `
		UPDATE minigroup_update SET patch_until = now() + $3::interval, patches = patches + 1
		WHERE `+ownsUpdate+` AND patch_until IS NULL`, id, run, flight)
}

// onPatch is onUpdate where another step of the same run may have been faster: then the error is worth a later try.
func (s *Store) onPatch(ctx context.Context, doing, sql string, id uuid.UUID, run string, span time.Duration) error {
	err := s.onUpdate(ctx, doing, sql, id, run, span)
	var superseded *minigroup.SupersededError
	if errors.As(err, &superseded) {
		rec, readErr := s.UpdateRecord(ctx, id)
		if readErr == nil && rec.State == minigroup.UpdateRunning && rec.Run == run {
			return fmt.Errorf("%s: another step carries update %s out", doing, id)
		}
	}
	return err
}

// PatchUnanswered notes that a PATCH of the update went unanswered and that conference, when it was read, had not taken it.
// Another may be sent; should conference execute the first all the same, the comparison that is due after so long finds out.
// It returns errors as SendPatch does: another step of the run may have been faster.
func (s *Store) PatchUnanswered(ctx context.Context, run string, id uuid.UUID, compareAfter time.Duration) error {
	return s.onPatch(ctx, "give up patch", `
		UPDATE minigroup_update SET patch_until = NULL, compare_at = now() + $3::interval
		WHERE `+ownsUpdate+` AND patch_until <= now()`, id, run, compareAfter)
}

// PatchUndone notes that the PATCH of this number, counted from 1, was not sent after all. It changes nothing where another
// has followed.
func (s *Store) PatchUndone(ctx context.Context, run string, id uuid.UUID, number int) error {
	return s.exec(ctx, "clear patch", `UPDATE minigroup_update SET patch_until = NULL WHERE `+ownsUpdate+` AND patches = $3`, id, run, number)
}

// AdoptStart makes the update's new window start where conference has let the room start (unix seconds).
func (s *Store) AdoptStart(ctx context.Context, run string, id uuid.UUID, start int64) error {
	return s.onUpdate(ctx, "adopt start", `
		UPDATE minigroup_update SET new_during = tstzrange(to_timestamp($3::bigint), upper(new_during)) WHERE `+ownsUpdate, id, run, start)
}

func (s *Store) onUpdate(ctx context.Context, doing, sql string, args ...any) error {
	tag, err := s.pool.Exec(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if tag.RowsAffected() == 0 {
		return minigroup.Supersededf("update %s is not this run's to carry out any more", args[0])
	}
	return nil
}

// commitSlots makes the slots and the window that the update $2 has put beside those of the class $1 its only ones.
const commitSlots = `
	UPDATE janus_reservation r SET changed_at = now(), slots = coalesce(next_slots, slots), during = coalesce(next_during, during),
		next_slots = NULL, next_during = NULL, update_id = NULL,
		state = CASE WHEN coalesce(u.new_reserve, 0) = 0 THEN 'releasing' ELSE r.state END
	FROM minigroup_update u WHERE u.id = $2 AND r.class_id = $1 AND r.state IN ('pending', 'held')`

// CommitUpdate writes the new values once conference has agreed. The class ends where the update asks for that, or where
// conference has closed the room meanwhile. Done twice it does the same once. It returns *minigroup.SupersededError where
// the update is not the run's to commit.
func (s *Store) CommitUpdate(ctx context.Context, run string, id uuid.UUID) error {
	return s.inTx(ctx, "commit update", func(tx pgx.Tx) error {
		classID, state, err := lockUpdate(ctx, tx, run, id)
		if err != nil || state == minigroup.UpdateDone {
			return err
		}
		if state != minigroup.UpdateRunning {
			return minigroup.Supersededf("update %s is %s", id, state)
		}
		var ends bool
		var batch pgx.Batch
		batch.Queue(`
			UPDATE minigroup m SET during = u.new_during, reserve = u.new_reserve, host = u.new_host, changed_at = now()
			FROM minigroup_update u WHERE m.id = $1 AND u.id = $2`, classID, id)
		batch.Queue(commitSlots, classID, id)
		batch.Queue(`
			UPDATE minigroup_update SET state = 'done', decided_at = now(), patch_until = NULL WHERE id = $1 RETURNING ends_class`, id).
			QueryRow(func(row pgx.Row) error { return row.Scan(&ends) })
		if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
			return err
		}
		if ends {
			_, err = s.end(ctx, tx, classID)
		} else {
			_, err = s.endWhere(ctx, tx, classID, hasClosed)
		}
		return err
	})
}

// FailUpdate ends an update with nothing changed; rooms that it has made are condemned, and the class ends where conference has
// closed its room meanwhile. With unlessSent it leaves an update alone of which a PATCH may have
// reached conference. It returns the state in which the update is then. Done twice it does the same once. An update that
// never began is written as failed, so that whoever asked for it finds out. It returns *minigroup.SupersededError where
// the update is not the run's to end, and *minigroup.OwnedError where it never began and another run owns the minigroup.
func (s *Store) FailUpdate(ctx context.Context, claim minigroup.Claim, classID, id uuid.UUID, c minigroup.Change, reason minigroup.Failure, unlessSent bool) (minigroup.UpdateState, error) {
	var out minigroup.UpdateState
	err := s.inTx(ctx, "fail update", func(tx pgx.Tx) error {
		if err := claimUnbegun(ctx, tx, claim, classID, id, c, false); err != nil {
			return err
		}
		_, state, err := lockUpdate(ctx, tx, claim.Run, id)
		if err != nil {
			return err
		}
		out = state
		if state == minigroup.UpdateDone || state == minigroup.UpdateFailed {
			return nil
		}
		if err := putOffComparison(ctx, tx, classID, id); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `
			UPDATE minigroup_update SET state = 'failed', failure = $2, decided_at = now(), patch_until = NULL
			WHERE id = $1 AND (NOT $3 OR patch_until IS NULL)`, id, toFailureJSON(reason), unlessSent)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		out = minigroup.UpdateFailed
		if state == minigroup.UpdateRunning {
			if err := dropNext(ctx, tx, classID, id); err != nil {
				return err
			}
			if err := condemnRecreated(ctx, tx, classID); err != nil {
				return err
			}
		}
		_, err = s.endWhere(ctx, tx, classID, hasClosed)
		return err
	})
	return out, err
}

// dropNext gives up the slots and the window that an update has put beside those of its class.
func dropNext(ctx context.Context, tx pgx.Tx, classID, update uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		UPDATE janus_reservation SET next_slots = NULL, next_during = NULL, changed_at = now(),
			state = CASE WHEN update_id IS DISTINCT FROM $2 THEN state WHEN state = 'pending' AND NOT doubtful THEN 'released' ELSE 'releasing' END,
			update_id = NULL
		WHERE class_id = $1 AND state IN ('pending', 'held')`, classID, update)
	return wrap("give up next slots", err)
}

// claimUnbegun writes an update that was never begun, on behalf of a run that owns the minigroup or may take it, and whether
// it is announced. It does nothing where the update has begun.
func claimUnbegun(ctx context.Context, tx pgx.Tx, claim minigroup.Claim, classID, id uuid.UUID, c minigroup.Change, announced bool) error {
	row, err := lockRow(ctx, tx, classID)
	if err != nil {
		return err
	}
	known, err := readUpdate(ctx, tx, `u.id = $1`, id)
	if err != nil || (known != nil && known.State != minigroup.UpdateRequested) {
		return err
	}
	if err := row.allows(claim); err != nil {
		return err
	}
	if row.state == minigroup.Ready {
		if err := takeUpdate(ctx, tx, row, claim.Run, classID, id); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO minigroup_update (id, class_id, state, run, requested, announced) VALUES ($1, $2, 'requested', $3, $4, $5)
		ON CONFLICT (id) DO NOTHING`, id, classID, claim.Run, toChangeJSON(c), announced)
	if err != nil {
		return fmt.Errorf("write update: %w", err)
	}
	return nil
}

// lockUpdate locks the minigroup and the update, in this order, and demands that the run owns an update that is running.
func lockUpdate(ctx context.Context, tx pgx.Tx, run string, id uuid.UUID) (classID uuid.UUID, state minigroup.UpdateState, err error) {
	var owner, carrier string
	err = tx.QueryRow(ctx, `
		SELECT m.owner, m.id FROM minigroup m WHERE m.id = (SELECT class_id FROM minigroup_update WHERE id = $1) FOR UPDATE`, id).
		Scan(&owner, &classID)
	if err != nil {
		return classID, state, fmt.Errorf("lock minigroup: %w", err)
	}
	err = tx.QueryRow(ctx, `SELECT state, run FROM minigroup_update WHERE id = $1 FOR UPDATE`, id).Scan(&state, &carrier)
	if err != nil {
		return classID, state, fmt.Errorf("lock update: %w", err)
	}
	if state == minigroup.UpdateRunning && (owner != run || carrier != run) {
		return classID, state, minigroup.Supersededf("update %s belongs to run %s", id, owner)
	}
	return classID, state, nil
}
