package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/stored"
)

// AcceptUpdate writes that the update was requested, so that a caller who received 202 finds it even if its run has not
// begun. The run takes the row, so an update of an earlier run that has not begun yet cannot begin after this one. It
// changes nothing if the update is written already, and returns *minigroup.OwnedError as TakeForUpdate does.
func (s *Store) AcceptUpdate(
	ctx context.Context, claim minigroup.Claim, classID, updateID uuid.UUID, c minigroup.Change,
) error {
	return s.inTx(ctx, "accept update", func(tx pgx.Tx) error {
		return writeRequested(ctx, tx, claim, classID, updateID, c, true)
	})
}

// TakeForUpdate takes the row for a run that is to carry out the update, and returns the state of the update, which is
// requested until it begins, and another update that must be finished first. It changes nothing if the update is
// decided.
//
// It returns *minigroup.OwnedError if another run owns the row, and NotReady if the minigroup cannot be updated.
func (s *Store) TakeForUpdate(
	ctx context.Context, claim minigroup.Claim, classID, updateID uuid.UUID,
) (minigroup.BegunUpdate, error) {
	begun, err := inGroup(ctx, s, "take for update", func(batch *pgx.Batch, begun *minigroup.BegunUpdate) {
		queueTake(batch, claim, classID, updateID)
		batch.Queue(readBegun, classID, updateID).QueryRow(func(row pgx.Row) (err error) {
			*begun, err = scanBegun(row)
			return err
		})
	})
	if err == nil {
		err = requireUpdatable(begun, claim)
	}
	return begun, err
}

// ReadForUpdate returns what TakeForUpdate does, and the row of the minigroup, without taking it. BeginUpdate and
// BeginRecreate take it, with the same claim.
func (s *Store) ReadForUpdate(
	ctx context.Context, claim minigroup.Claim, classID, updateID uuid.UUID,
) (minigroup.BegunUpdate, error) {
	begun, err := scanBegun(s.pool.QueryRow(ctx, readBegun, classID, updateID))
	if err != nil {
		return begun, wrap("read for update", err)
	}
	return begun, requireUpdatable(begun, claim)
}

// requireUpdatable returns *minigroup.OwnedError unless the claim is to the row, and NotReady if the minigroup cannot
// be updated. An update that is decided needs neither.
func requireUpdatable(begun minigroup.BegunUpdate, claim minigroup.Claim) error {
	switch m := begun.Minigroup; {
	case begun.State == minigroup.UpdateDone || begun.State == minigroup.UpdateFailed:
		return nil
	case m.State != minigroup.Ready:
		return minigroup.Errorf(minigroup.NotReady, "the minigroup is %s", m.State)
	default:
		return lockedRow{owner: m.Run}.allows(claim)
	}
}

// queueTake adds to a batch what takes the row from the owner that a claim replaces, if it names one.
func queueTake(batch *pgx.Batch, claim minigroup.Claim, classID, updateID uuid.UUID) {
	if claim.Replaces != "" {
		batch.Queue(lockMinigroup, classID)
		batch.Queue(takeForUpdate, classID, claim.Run, claim.Replaces, updateID, overtaken)
	}
}

// takeForUpdate makes the run $2 the owner of the minigroup $1, which is locked and belongs to $3, and of its running
// update. Updates other than $4 that were requested and have not begun fail, because they must not begin after this
// one. Nothing is taken if the update $4 is decided.
const takeForUpdate = `
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

// overtaken is the failure of an update that was requested and had not begun when another operation took the row.
var overtaken = stored.Failure{
	Kind:   minigroup.OperationCancelled,
	Detail: "it was ended from outside before it began, and another operation came first",
}

// readBegun reads the minigroup $1, the state of its update $2, and another update of it that is running.
const readBegun = `
	SELECT ` + minigroupColumns + `, coalesce(u.state, 'requested'), u.failure, u.decided_at, other.id, other.requested
	FROM minigroup m
	LEFT JOIN minigroup_update u ON u.id = $2
	LEFT JOIN minigroup_update other ON other.class_id = m.id AND other.state = 'running' AND other.id <> $2
	WHERE m.id = $1`

func scanBegun(row pgx.Row) (b minigroup.BegunUpdate, err error) {
	var failure *stored.Failure
	var decidedAt *time.Time
	var other *uuid.UUID
	var requested *stored.Change
	if err := scanMinigroup(row, &b.Minigroup, &b.State, &failure, &decidedAt, &other, &requested); err != nil {
		return b, err
	}
	b.Failure = failure.Failure(decidedAt)
	if other != nil {
		b.Unfinished, b.UnfinishedRecreate = *other, requested.Recreate != nil
	}
	return b, nil
}

// BeginUpdate takes the row, and writes the update with its old and new values. The new slots are reserved beside the
// present ones until the update is decided. It returns *minigroup.OwnedError if another run owns the row, Closed if the
// class has ended, PreconditionFailed if the minigroup is not at the revision that the update requires,
// minigroup.ErrOutdatedPlan if it was changed after it was read, and CapacityExceeded if the slots do not fit. Called
// twice, it does the same once.
func (s *Store) BeginUpdate(ctx context.Context, u minigroup.UpdateEntry) error {
	_, err := s.beginUpdate(ctx, "begin update", u, nil)
	return err
}

// maxBegins bounds how often an update is begun whose requirements were not met, but are met when they are checked.
const maxBegins = 3

// begun is what the begin of an update or a recreate has written.
type begun struct {
	yes bool
	// event and conference are the first attempts at the rooms of a recreate.
	event, conference uuid.UUID
}

// beginUpdate begins an update, together with the first attempts of a recreate.
func (s *Store) beginUpdate(
	ctx context.Context, doing string, u minigroup.UpdateEntry, first *firstAttempts,
) (begun, error) {
	want := forUpdate(u)
	for range maxBegins {
		b, err := inGroup(ctx, s, doing, func(batch *pgx.Batch, b *begun) {
			queueTake(batch, u.Claim, u.ClassID, u.ID)
			batch.Queue(insertUpdate, updateValues(u)...).Exec(wrote(&b.yes))
			if first != nil {
				first.queue(batch, &b.event, &b.conference)
			}
			if want.slots > 0 {
				want.queue(batch, new(uuid.UUID))
			}
		})
		if err != nil || b.yes {
			return b, capacityExceeded(err, want.slots)
		}
		if err := s.requireBeginnable(ctx, u); err != nil {
			return begun{}, wrap(doing, err)
		}
	}
	return begun{}, fmt.Errorf("%s: the minigroup kept changing", doing)
}

// requireBeginnable returns the first requirement of an update that the minigroup does not meet.
func (s *Store) requireBeginnable(ctx context.Context, u minigroup.UpdateEntry) error {
	row, err := lockRow(ctx, s.pool, u.ClassID)
	if err != nil {
		return err
	}
	if row.state != minigroup.Ready {
		return minigroup.Errorf(minigroup.NotReady, "the minigroup is %s", row.state)
	}
	if err := row.allows(u.Claim); err != nil {
		return err
	}
	if row.closedAt != nil && u.Change.Recreate == nil {
		return minigroup.Errorf(minigroup.Closed, "the minigroup is closed")
	}
	if row.erased {
		return minigroup.Errorf(minigroup.Closed, "the personal data of the minigroup was erased")
	}
	if err := row.requireRevision(u.Change); err != nil {
		return err
	}
	if row.revision != u.Plan.Revision {
		return minigroup.ErrOutdatedPlan
	}
	return nil
}

// insertUpdate locks the minigroup $1 and inserts its update $2, which it shows from then on, with $13. It inserts
// nothing if the run $3 does not own the minigroup, if the class has ended and the update is no recreate, if its
// personal data was erased, or if it is not at the revision $11 of the plan, or that the request demands ($12).
const insertUpdate = `
	WITH begun AS (
		INSERT INTO minigroup_update (id, class_id, state, run, requested, old_during, old_reserve, old_host,
			new_during, new_reserve, new_host, ends_class, patch)
		SELECT $2, m.id, 'running', $3, $4, m.during, m.reserve, m.host,
			tstzrange(to_timestamp($5::bigint), to_timestamp($6::bigint)), $7, $8, $9, $10
		FROM minigroup m
		WHERE m.id = $1 AND m.owner = $3 AND m.state = 'ready' AND m.erased_at IS NULL
			AND (m.closed_at IS NULL OR $4::jsonb ? 'recreate')
			AND m.revision = $11 AND m.revision = coalesce($12, m.revision)
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

func updateValues(u minigroup.UpdateEntry) []any {
	p := u.Plan
	return []any{
		u.ClassID, u.ID, u.Run, stored.NewChange(u.Change), p.Time.Start, p.Time.End, p.Reserve, p.Host, p.Ends,
		stored.NewPatch(p.Patch), p.Revision, u.Change.Revision, !u.Change.Repair,
	}
}

// writeRequested writes an update that has not begun, for a run that owns the minigroup or may take it. With shown, the
// minigroup shows it from then on. It changes nothing if the update has begun or is decided.
func writeRequested(
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
		if _, err := tx.Exec(ctx, takeForUpdate, classID, claim.Run, row.owner, id, overtaken); err != nil {
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
