package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"minigroups/minigroup"
	"minigroups/stored"
)

// AcceptUpdate writes that the update was asked for, so that a caller who was told to come back finds it, also when its
// run has not begun. The run takes the row by it: what an earlier one has not begun must not come after. It changes nothing
// where the update is known, and returns *minigroup.OwnedError as TakeForUpdate does.
func (s *Store) AcceptUpdate(ctx context.Context, claim minigroup.Claim, classID, updateID uuid.UUID, c minigroup.Change) error {
	return s.inTx(ctx, "announce update", func(tx pgx.Tx) error { return claimUnbegun(ctx, tx, claim, classID, updateID, c, true) })
}

// TakeForUpdate takes the row for a run that is to carry out the update, and tells how far that is: requested (it has yet
// to begin), running, done or failed; or which other update has to be settled first. What is decided is left alone. A claim that
// names no owner to replace takes nothing: it finds what is the run's already, and costs one statement.
//
// It returns *minigroup.OwnedError where another run owns the row, and NotReady where the minigroup cannot be updated.
func (s *Store) TakeForUpdate(ctx context.Context, claim minigroup.Claim, classID, updateID uuid.UUID) (minigroup.BegunUpdate, error) {
	var begun minigroup.BegunUpdate
	err := s.inBatch(ctx, "take for update", func(batch *pgx.Batch) {
		if claim.Replaces != "" {
			batch.Queue(`SELECT FROM minigroup WHERE id = $1 FOR UPDATE`, classID) // what follows sees what those before have done
			batch.Queue(takeUpdate, classID, claim.Run, claim.Replaces, updateID, overtaken)
		}
		batch.Queue(findUpdate, classID, updateID).QueryRow(func(row pgx.Row) (err error) {
			begun, err = scanBegun(row)
			return err
		})
	})
	switch m := begun.Minigroup; {
	case err != nil:
		return begun, err
	case begun.State == minigroup.UpdateDone || begun.State == minigroup.UpdateFailed:
		return minigroup.BegunUpdate{State: begun.State, Failure: begun.Failure}, nil
	case m.State != minigroup.Ready:
		return begun, minigroup.Errorf(minigroup.NotReady, "the minigroup is %s", m.State)
	case m.Run != claim.Run:
		return begun, &minigroup.OwnedError{Owner: m.Run}
	default:
		return begun, nil
	}
}

// takeUpdate makes the run $2 the owner of the row, which is locked and belongs to $3, and of its undecided update. An update that
// was asked for earlier and whose run is gone before it began is over: it must not come after this one. Where the update $4 is
// decided nothing is taken.
const takeUpdate = `
	WITH taken AS (
		UPDATE minigroup SET owner = $2
		WHERE id = $1 AND owner = $3 AND owner <> $2 AND state = 'ready'
			AND NOT EXISTS (SELECT FROM minigroup_update WHERE id = $4 AND state IN ('done', 'failed'))
		RETURNING id
	), carried AS (
		UPDATE minigroup_update u SET run = $2 FROM taken WHERE u.class_id = taken.id AND u.state = 'running'
	)
	UPDATE minigroup_update u SET state = 'failed', failure = $5, decided_at = now()
	FROM taken WHERE u.class_id = taken.id AND u.state = 'requested' AND u.id <> $4`

// overtaken is why an update has failed that was asked for and did not begin before another was.
var overtaken = stored.Failure{Kind: minigroup.OperationCancelled, Detail: "it was ended from outside before it began, and another operation came first"}

// findUpdate reads a minigroup, how far its update $2 is, and which other one is running.
const findUpdate = `
	SELECT ` + minigroupColumns + `, coalesce(u.state, 'requested'), u.failure, u.decided_at, other.id, other.requested
	FROM minigroup m
	LEFT JOIN minigroup_update u ON u.id = $2
	LEFT JOIN minigroup_update other ON other.class_id = m.id AND other.state = 'running' AND other.id <> $2
	WHERE m.id = $1`

func scanBegun(row pgx.Row) (b minigroup.BegunUpdate, err error) {
	var failure *stored.Failure
	var decidedAt *time.Time
	var other *uuid.UUID
	var asked *stored.Change
	if err := scanMinigroup(row, &b.Minigroup, &b.State, &failure, &decidedAt, &other, &asked); err != nil {
		return b, err
	}
	b.Failure = failure.Failure(decidedAt)
	if other != nil {
		b.Unfinished, b.UnfinishedRecreate = *other, asked.Recreate != nil
	}
	return b, nil
}

// BeginUpdate writes the update with its old and new values; the new slots are admitted and stand beside the old until
// the update is decided. It returns *minigroup.SupersededError where the run does not own the row, Closed where the
// class has ended, PreconditionFailed where it is not at the revision that the update demands, and CapacityExceeded
// where the slots do not fit. Done twice it does the same once.
func (s *Store) BeginUpdate(ctx context.Context, u minigroup.UpdateEntry) error {
	return s.beginUpdate(ctx, "begin update", u, nil)
}

// maxBegins bounds how often an update is begun that found a demand unmet which is met when it is looked at again.
const maxBegins = 3

// beginUpdate begins an update, and writes with it what more adds to the batch.
func (s *Store) beginUpdate(ctx context.Context, doing string, u minigroup.UpdateEntry, more func(*pgx.Batch)) error {
	want := forUpdate(u)
	for range maxBegins {
		var begun bool
		err := s.inBatch(ctx, doing, func(batch *pgx.Batch) {
			batch.Queue(writeUpdate, valuesOf(u)...).Exec(func(tag pgconn.CommandTag) error {
				begun = tag.RowsAffected() == 1
				return nil
			})
			if more != nil {
				more(batch)
			}
			if want.slots > 0 {
				want.queue(batch, new(uuid.UUID))
			}
		})
		if err != nil || begun {
			return capacityExceeded(err, want.slots)
		}
		if err := s.whyNotBegun(ctx, u); err != nil {
			return wrap(doing, err)
		}
	}
	return fmt.Errorf("%s: the minigroup kept changing", doing)
}

// whyNotBegun returns the demand of an update that the minigroup does not meet; nil where it meets all of them by now.
func (s *Store) whyNotBegun(ctx context.Context, u minigroup.UpdateEntry) error {
	row, err := scanLocked(s.pool.QueryRow(ctx, lockMinigroup, u.ClassID))
	if err != nil {
		return err
	}
	if err := row.demand(u.Run, minigroup.Ready); err != nil {
		return err
	}
	if row.closedAt != nil && u.Change.Recreate == nil {
		return minigroup.Errorf(minigroup.Closed, "the minigroup is closed")
	}
	return row.demandRevision(u.Change)
}

// writeUpdate locks the class $1 and writes its update, which the minigroup shows from then on ($13); nothing where the
// run does not own the class, or the class has ended (which does not matter with $11) or is not at the revision $12 that
// is demanded.
const writeUpdate = `
	WITH begun AS (
	INSERT INTO minigroup_update (id, class_id, state, run, requested, old_during, old_reserve, old_host,
		new_during, new_reserve, new_host, ends_class, patch)
	SELECT $2, m.id, 'running', $3, $4, m.during, m.reserve, m.host,
		tstzrange(to_timestamp($5::bigint), to_timestamp($6::bigint)), $7, $8, $9, $10
	FROM minigroup m
	WHERE m.id = $1 AND m.owner = $3 AND m.state = 'ready' AND (m.closed_at IS NULL OR $11)
		AND m.revision = coalesce($12, m.revision)
	FOR UPDATE
	ON CONFLICT (id) DO UPDATE SET state = 'running', run = excluded.run,
		old_during = excluded.old_during, old_reserve = excluded.old_reserve, old_host = excluded.old_host,
		new_during = excluded.new_during, new_reserve = excluded.new_reserve, new_host = excluded.new_host,
		ends_class = excluded.ends_class, patch = excluded.patch
	RETURNING id, class_id
	), shown AS (
		UPDATE minigroup m SET last_update_id = begun.id FROM begun
		WHERE m.id = begun.class_id AND $13 AND m.last_update_id IS DISTINCT FROM begun.id
	)
	SELECT id FROM begun`

func valuesOf(u minigroup.UpdateEntry) []any {
	p := u.Plan
	return []any{
		u.ClassID, u.ID, u.Run, stored.NewChange(u.Change), p.Time.Start, p.Time.End, p.Reserve, p.Host, p.Ends,
		stored.NewPatch(p.Patch), u.Change.Recreate != nil, u.Change.Revision, !u.Change.Repair,
	}
}

// UpdateRecord reads an update. It returns a *minigroup.Error of kind ClassNotFound where it is unknown.
func (s *Store) UpdateRecord(ctx context.Context, id uuid.UUID) (minigroup.UpdateRecord, error) {
	rec, err := readUpdate(ctx, s.pool, id)
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

// updateColumns are what scanUpdate reads from `minigroup_update u`.
const updateColumns = `u.id, u.class_id, u.state, u.run, u.requested, u.failure, u.decided_at, u.patch, u.patches,
	extract(epoch FROM u.patch_until - now())::float8,
	extract(epoch FROM lower(u.new_during))::bigint, extract(epoch FROM upper(u.new_during))::bigint, u.new_reserve, u.new_host, u.ends_class,
	(SELECT m.conference_room_id FROM minigroup m WHERE m.id = u.class_id)`

// readUpdate returns nil where there is no such update.
func readUpdate(ctx context.Context, q querier, id uuid.UUID) (*minigroup.UpdateRecord, error) {
	return scanUpdate(q.QueryRow(ctx, `SELECT `+updateColumns+` FROM minigroup_update u WHERE u.id = $1`, id))
}

// scanUpdate returns nil where there is no row.
func scanUpdate(row pgx.Row) (*minigroup.UpdateRecord, error) {
	var r minigroup.UpdateRecord
	var requested, patch *stored.Change
	var failure *stored.Failure
	var host *string
	var decided *time.Time
	var left *float64
	var room *uuid.UUID
	err := row.Scan(&r.ID, &r.ClassID, &r.State, &r.Run, &requested, &failure, &decided, &patch, &r.Patches, &left,
		&r.Plan.Time.Start, &r.Plan.Time.End, &r.Plan.Reserve, &host, &r.Plan.Ends, &room)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // absent is an answer here, not a failure
	}
	if err != nil {
		return nil, fmt.Errorf("read update: %w", err)
	}
	r.Requested, r.Failure = requested.Change(), failure.Failure(decided)
	r.Plan.Patch = patch.Patch()
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

// SendPatch notes that the PATCH of an update is about to be sent and may be in flight for so long, and returns the update as it
// is then. From here on the update goes forward. It reports false, and notes nothing, where conference is asked for nothing, the
// update is decided, or a PATCH of it may still be in flight. It returns *minigroup.SupersededError where the update is not the
// run's to carry out, another error, worth a later try, where another step of the run was faster, and a *minigroup.Error of kind
// ClassNotFound where the update is unknown.
func (s *Store) SendPatch(ctx context.Context, run string, id uuid.UUID, flight time.Duration) (rec minigroup.UpdateRecord, sent bool, err error) {
	noted, err := scanUpdate(s.pool.QueryRow(ctx, `
		UPDATE minigroup_update u SET patch_until = now() + $3::interval, patches = patches + 1
		WHERE `+ownsUpdate+` AND patch <> '{}' AND patch_until IS NULL
		RETURNING `+updateColumns, id, run, flight))
	if err != nil {
		return rec, false, wrap("send patch", err)
	}
	if noted != nil {
		return *noted, true, nil
	}
	rec, err = s.UpdateRecord(ctx, id)
	if err != nil || rec.State != minigroup.UpdateRunning || rec.Plan.Patch.Empty() || rec.PatchOpen {
		return rec, false, err
	}
	return rec, false, wrap("send patch", lostTo(rec, run))
}

// lostTo is the error of a run that was late to note something of an update.
func lostTo(rec minigroup.UpdateRecord, run string) error {
	if rec.State == minigroup.UpdateRunning && rec.Run == run {
		return fmt.Errorf("another step carries update %s out", rec.ID)
	}
	return notToCarryOut(rec.ID)
}

// PatchUnanswered notes that a PATCH of the update went unanswered and that conference, when it was read, had not taken it.
// Another may be sent; should conference execute the first all the same, the comparison that is due after so long finds out.
// It returns *minigroup.SupersededError where the update is not the run's to carry out, and another error, worth a later try, where
// another step of the run was faster.
func (s *Store) PatchUnanswered(ctx context.Context, run string, id uuid.UUID, lookUpAfter time.Duration) error {
	err := s.onUpdate(ctx, "give up patch", `
		UPDATE minigroup_update SET patch_until = NULL, look_up_at = now() + $3::interval
		WHERE `+ownsUpdate+` AND patch_until <= now()`, id, run, lookUpAfter)
	var superseded *minigroup.SupersededError
	if errors.As(err, &superseded) {
		if rec, readErr := s.UpdateRecord(ctx, id); readErr == nil {
			return wrap("give up patch", lostTo(rec, run))
		}
	}
	return err
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
		return notToCarryOut(args[0])
	}
	return nil
}

func notToCarryOut(update any) error {
	return minigroup.Supersededf("update %s is not this run's to carry out any more", update)
}

// commitSlots makes the slots and the window that an update u, which is to follow, has put beside those of its class its only ones.
const commitSlots = `
	UPDATE janus_reservation r SET changed_at = now(), slots = coalesce(next_slots, slots), during = coalesce(next_during, during),
		next_slots = NULL, next_during = NULL, update_id = NULL,
		state = CASE WHEN coalesce(u.new_reserve, 0) = 0 THEN 'releasing' ELSE r.state END
	FROM `

// CommitUpdate writes the new values once conference has agreed. The class ends where the update asks for that, or where
// conference has closed the room meanwhile. Done twice it does the same once. It returns *minigroup.SupersededError where
// the update is not the run's to commit.
func (s *Store) CommitUpdate(ctx context.Context, run string, id uuid.UUID) error {
	var committed bool
	err := s.inBatch(ctx, "commit update", func(batch *pgx.Batch) {
		batch.Queue(lockClassOf, id) // the statements that follow see what those before have done
		batch.Queue(commitUpdate, id, run).Exec(func(tag pgconn.CommandTag) error {
			committed = tag.RowsAffected() == 1
			return nil
		})
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
	case rec.State == minigroup.UpdateRunning:
		return notToCarryOut(id)
	default:
		return minigroup.Supersededf("update %s is %s", id, rec.State)
	}
}

// commitUpdate commits the update $1 of the run $2, whose class is locked.
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

// endAfterCommit ends the class of the update $1 where this transaction has committed it and it asks for that, or where
// conference has closed the room.
var endAfterCommit = end(`m.id = (SELECT class_id FROM minigroup_update WHERE id = $1) AND (` + hasClosed + ` OR EXISTS (
	SELECT FROM minigroup_update u WHERE u.id = $1 AND u.state = 'done' AND u.ends_class AND u.decided_at = now()))`)

// FailUpdate ends an update with nothing changed; rooms that it has made are condemned, and the class ends where conference has
// closed its room meanwhile. With unlessSent it leaves an update alone of which a PATCH may have
// reached conference. It returns the state in which the update is then. Done twice it does the same once. An update that
// never began is written as failed, so that whoever asked for it finds out. It returns *minigroup.SupersededError where
// the update is not the run's to end, and *minigroup.OwnedError where it never began and another run owns the minigroup.
func (s *Store) FailUpdate(ctx context.Context, claim minigroup.Claim, classID, id uuid.UUID, c minigroup.Change, reason minigroup.Failure, unlessSent bool) (minigroup.UpdateState, error) {
	var out minigroup.UpdateState
	// A caller that receives at once that its condition does not hold needs to see nothing beside the minigroup.
	shown := reason.Kind != minigroup.PreconditionFailed && !c.Repair
	err := s.inTx(ctx, "fail update", func(tx pgx.Tx) error {
		if err := claimUnbegun(ctx, tx, claim, classID, id, c, shown); err != nil {
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
		tag, err := tx.Exec(ctx, `
			UPDATE minigroup_update SET state = 'failed', failure = $2, decided_at = now(), patch_until = NULL
			WHERE id = $1 AND (NOT $3 OR patch_until IS NULL)`, id, *stored.NewFailure(&reason), unlessSent)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		out = minigroup.UpdateFailed
		if state == minigroup.UpdateRunning {
			if err := dropNext(ctx, tx, classID, id); err != nil {
				return err
			}
			if err := releaseRecreated(ctx, tx, classID); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, endClosed, classID, s.publishEvents)
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

// claimUnbegun writes an update that has not begun, on behalf of a run that owns the minigroup or may take it, and with
// shown has the minigroup show it. It does nothing where the update is written already.
func claimUnbegun(
	ctx context.Context, tx pgx.Tx, claim minigroup.Claim, classID, id uuid.UUID, c minigroup.Change, shown bool,
) error {
	row, err := lockRow(ctx, tx, classID)
	if err != nil {
		return err
	}
	known, err := readUpdate(ctx, tx, id)
	if err != nil || (known != nil && known.State != minigroup.UpdateRequested) {
		return err
	}
	if err := row.allows(claim); err != nil {
		return err
	}
	if row.state == minigroup.Ready {
		if _, err := tx.Exec(ctx, takeUpdate, classID, claim.Run, row.owner, id, overtaken); err != nil {
			return fmt.Errorf("take minigroup: %w", err)
		}
	}
	_, err = tx.Exec(ctx, `
		WITH written AS (
			INSERT INTO minigroup_update (id, class_id, state, run, requested) VALUES ($1, $2, 'requested', $3, $4)
			ON CONFLICT (id) DO NOTHING RETURNING id, class_id
		)
		UPDATE minigroup m SET last_update_id = written.id FROM written WHERE m.id = written.class_id AND $5`,
		id, classID, claim.Run, stored.NewChange(c), shown)
	return wrap("write update", err)
}

// lockClassOf locks the minigroup of an update.
const lockClassOf = `SELECT m.owner, m.id FROM minigroup m WHERE m.id = (SELECT class_id FROM minigroup_update WHERE id = $1) FOR UPDATE`

// lockUpdate locks the minigroup and the update, in this order, and demands that the run owns an update that is running.
func lockUpdate(ctx context.Context, tx pgx.Tx, run string, id uuid.UUID) (classID uuid.UUID, state minigroup.UpdateState, err error) {
	var owner, carrier string
	err = tx.QueryRow(ctx, lockClassOf, id).Scan(&owner, &classID)
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
