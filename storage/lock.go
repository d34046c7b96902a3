package storage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/stored"
)

// Locks are taken in this order: the minigroup, then admissionKey, then everything else. A statement that waits for a
// lock does not see what was committed meanwhile in other tables, so a lock is a statement of its own wherever the next
// one reads them.

// lockedRow is the part of a minigroup that decides whether a run may act on it.
type lockedRow struct {
	state    minigroup.State
	owner    string
	failure  *minigroup.Failure
	closedAt *time.Time
	revision int64
	erased   bool
}

// lockMinigroup locks the minigroup $1 until the end of the transaction, and reads what scanLocked scans.
const lockMinigroup = `
	SELECT state, owner, failure, failed_at, closed_at, revision, erased_at IS NOT NULL
	FROM minigroup WHERE id = $1 FOR UPDATE`

func scanLocked(from pgx.Row) (lockedRow, error) {
	var row lockedRow
	var failure *stored.Failure
	var failedAt *time.Time
	err := from.Scan(&row.state, &row.owner, &failure, &failedAt, &row.closedAt, &row.revision, &row.erased)
	row.failure = failure.Failure(failedAt)
	return row, err
}

// lockRow locks a minigroup. It returns pgx.ErrNoRows if there is none.
func lockRow(ctx context.Context, q querier, id uuid.UUID) (lockedRow, error) {
	row, err := scanLocked(q.QueryRow(ctx, lockMinigroup, id))
	if err != nil {
		return row, fmt.Errorf("lock minigroup: %w", err)
	}
	return row, nil
}

// allows returns *minigroup.OwnedError unless the run of the claim owns the row, or may replace its owner.
func (r lockedRow) allows(c minigroup.Claim) error {
	if r.owner == c.Run || (c.Replaces != "" && r.owner == c.Replaces) {
		return nil
	}
	return &minigroup.OwnedError{Owner: r.owner}
}

// requireOwner returns *minigroup.SupersededError unless the run owns the row in one of these states.
func (r lockedRow) requireOwner(run string, states ...minigroup.State) error {
	if r.owner == run && slices.Contains(states, r.state) {
		return nil
	}
	return minigroup.Supersededf("the minigroup is %s and belongs to run %s", r.state, r.owner)
}

// requireRevision returns PreconditionFailed if the change is for another revision of the minigroup.
func (r lockedRow) requireRevision(c minigroup.Change) error {
	if c.Revision == nil || *c.Revision == r.revision {
		return nil
	}
	return minigroup.Errorf(minigroup.PreconditionFailed, "the minigroup was changed before the update began")
}

// underWay is the condition that the run $2 owns the minigroup m, which is $1, and carries out its create, or, if $3 is
// not null, its update $3.
const underWay = `m.id = $1 AND m.owner = $2 AND CASE WHEN $3::uuid IS NULL THEN m.state = 'creating' ELSE EXISTS (
	SELECT FROM minigroup_update u WHERE u.id = $3 AND u.class_id = m.id AND u.state = 'running' AND u.run = $2) END`

// undecided is the condition that an update of the minigroup m may still change it.
const undecided = `EXISTS (
	SELECT FROM minigroup_update u WHERE u.class_id = m.id AND u.state IN ('requested', 'running'))`
