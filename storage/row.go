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

// lockedRow is what decides whether a run may act on a minigroup. It is locked until the transaction ends.
type lockedRow struct {
	state    minigroup.State
	owner    string
	failure  *minigroup.Failure
	closedAt *time.Time
	revision int64
}

// lockMinigroup locks the row of a minigroup ($1) and reads what scanLocked scans.
const lockMinigroup = `
	SELECT state, owner, failure, failed_at, closed_at, revision FROM minigroup WHERE id = $1 FOR UPDATE`

func scanLocked(from pgx.Row) (lockedRow, error) {
	var row lockedRow
	var failure *stored.Failure
	var failedAt *time.Time
	err := from.Scan(&row.state, &row.owner, &failure, &failedAt, &row.closedAt, &row.revision)
	row.failure = failure.Failure(failedAt)
	return row, err
}

// lockRow returns pgx.ErrNoRows where there is no such minigroup.
func lockRow(ctx context.Context, tx pgx.Tx, id uuid.UUID) (lockedRow, error) {
	row, err := scanLocked(tx.QueryRow(ctx, lockMinigroup, id))
	if err != nil {
		return row, fmt.Errorf("lock minigroup: %w", err)
	}
	return row, nil
}

// allows reports whether the claim holds against the row's owner: compare-and-set on the owner.
func (r lockedRow) allows(c minigroup.Claim) error {
	if r.owner == c.Run || (c.Replaces != "" && r.owner == c.Replaces) {
		return nil
	}
	return &minigroup.OwnedError{Owner: r.owner}
}

// demand reports whether the run owns the row in one of these states, and returns *minigroup.SupersededError otherwise.
func (r lockedRow) demand(run string, states ...minigroup.State) error {
	if r.owner == run && slices.Contains(states, r.state) {
		return nil
	}
	return minigroup.Supersededf("the minigroup is %s and belongs to run %s", r.state, r.owner)
}

// demandRevision returns PreconditionFailed where the change is meant for another revision of the minigroup.
func (r lockedRow) demandRevision(c minigroup.Change) error {
	if c.Revision == nil || *c.Revision == r.revision {
		return nil
	}
	return minigroup.Errorf(minigroup.PreconditionFailed, "the minigroup was changed before the update began")
}

// lister is a pool or a transaction.
type lister interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// list runs a query and collects its rows, none of them as an empty list.
func list[T any](ctx context.Context, q lister, doing string, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, _ := q.Query(ctx, sql, args...) // its error is also that of the rows
	out, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return out, nil
}

// insertMinigroup makes a row from the values of rowOf; nothing where there is one. No index is named for the conflict: the id
// follows from audience and scope, and of two rows made at once Postgres may notice the second by either.
const insertMinigroup = `
	INSERT INTO minigroup (id, audience, scope, state, owner, during, host, reserve, locked_chat, locked_questions,
		tags, properties, fingerprint, failure)
	VALUES ($1, $2, $3, $4, $5, tstzrange(to_timestamp($6::bigint), to_timestamp($7::bigint)), $8, $9, $10, $11,
		$12, coalesce($13, '{}'::jsonb), $14, $15)
	ON CONFLICT DO NOTHING`

func rowOf(run string, state minigroup.State, r minigroup.CreateRequest, failure *stored.Failure) []any {
	return []any{
		r.ID, r.Audience, r.Scope, state, run, r.Time.Start, r.Time.End, r.Host, r.Reserve, r.LockedChat, r.LockedQuestions,
		jsonText(r.Tags), jsonText(r.Properties), r.Fingerprint, failure,
	}
}

// insertRow makes the row of a draft; it reports false where there is one.
func insertRow(ctx context.Context, tx pgx.Tx, run string, state minigroup.State, r minigroup.CreateRequest, failure *stored.Failure) (bool, error) {
	tag, err := tx.Exec(ctx, insertMinigroup, rowOf(run, state, r, failure)...)
	if err != nil {
		return false, fmt.Errorf("insert minigroup: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// takeForCreate gives the locked row to the run, to be created from the draft. A run that has the row already keeps its
// properties: single ones may have been written since. So does one that creates it once more, from what the row holds; it
// returns *minigroup.SupersededError where something else was asked for meanwhile.
func takeForCreate(ctx context.Context, tx pgx.Tx, run string, r minigroup.CreateRequest) error {
	tag, err := tx.Exec(ctx, `
		UPDATE minigroup SET state = 'creating', owner = $2, failure = NULL, failed_at = NULL, changed_at = now(),
			during = tstzrange(to_timestamp($3::bigint), to_timestamp($4::bigint)), host = $5, reserve = $6, locked_chat = $7,
			locked_questions = $8, tags = $9, fingerprint = $10,
			properties = CASE WHEN owner = $2 OR $12 THEN properties ELSE coalesce($11, '{}'::jsonb) END
		WHERE id = $1 AND (NOT $12 OR fingerprint = $10)`,
		r.ID, run, r.Time.Start, r.Time.End, r.Host, r.Reserve, r.LockedChat, r.LockedQuestions,
		jsonText(r.Tags), r.Fingerprint, jsonText(r.Properties), r.Retry)
	if err != nil {
		return fmt.Errorf("take minigroup: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return minigroup.Supersededf("something else was asked for under this scope meanwhile")
	}
	return nil
}

// releaseOtherDrafts condemns what was asked for on behalf of another draft of the same class.
func releaseOtherDrafts(ctx context.Context, tx pgx.Tx, r minigroup.CreateRequest) error {
	_, err := tx.Exec(ctx, `
		UPDATE room_attempt SET state = 'releasing', changed_at = now()
		WHERE class_id = $1 AND state IN ('sent', 'held') AND fingerprint <> $2`, r.ID, r.Fingerprint)
	if err != nil {
		return fmt.Errorf("condemn rooms of another draft: %w", err)
	}
	_, err = tx.Exec(ctx, `
		UPDATE janus_reservation SET state = 'releasing', next_slots = NULL, next_during = NULL, changed_at = now()
		WHERE class_id = $1 AND state IN ('pending', 'held') AND fingerprint <> $2`, r.ID, r.Fingerprint)
	if err != nil {
		return fmt.Errorf("condemn reservation of another draft: %w", err)
	}
	return nil
}

// roomsPendingCloseOf lists the condemned rooms of a class whose ids are known.
func roomsPendingCloseOf(ctx context.Context, q lister, id uuid.UUID) ([]minigroup.RoomPendingClose, error) {
	return list(ctx, q, "list condemned rooms", scanRoomPendingClose, `
		SELECT kind, room_id, class_id, answered_at FROM room_attempt
		WHERE class_id = $1 AND state = 'releasing' AND room_id IS NOT NULL ORDER BY answered_at, room_id`, id)
}

// RoomsPendingClose lists the condemned rooms of a class whose ids are known.
func (s *Store) RoomsPendingClose(ctx context.Context, id uuid.UUID) ([]minigroup.RoomPendingClose, error) {
	return roomsPendingCloseOf(ctx, s.pool, id)
}

func scanRoomPendingClose(row pgx.CollectableRow) (r minigroup.RoomPendingClose, err error) {
	return r, row.Scan(&r.Kind, &r.ID, &r.ClassID, &r.AnsweredAt)
}

// jsonText keeps an absent document NULL.
func jsonText(raw []byte) *string {
	if raw == nil {
		return nil
	}
	text := string(raw)
	return &text
}
