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

// minigroupColumns are what scanMinigroup reads from `minigroup m`.
const minigroupColumns = `m.id, m.audience, m.scope, m.host,
	extract(epoch FROM lower(m.during))::bigint, extract(epoch FROM upper(m.during))::bigint,
	m.tags, m.properties, m.reserve, m.locked_chat, m.locked_questions, m.fingerprint, m.state, m.owner, m.created_at,
	m.closed_at, m.timed_out, m.event_room_id, m.conference_room_id, m.failure, m.failed_at, m.revision,
	m.erased_at`

// scanMinigroup reads minigroupColumns into m, and the columns that follow them into more.
func scanMinigroup(row pgx.Row, m *minigroup.Minigroup, more ...any) error {
	var closedAt, failedAt, erasedAt *time.Time
	var event, conference *uuid.UUID
	var failure *stored.Failure
	err := row.Scan(append([]any{
		&m.ID, &m.Audience, &m.Scope, &m.Host, &m.Time.Start, &m.Time.End, (*[]byte)(&m.Tags), (*[]byte)(&m.Properties),
		&m.Reserve, &m.LockedChat, &m.LockedQuestions, &m.Fingerprint, &m.State, &m.Run, &m.CreatedAt,
		&closedAt, &m.TimedOut, &event, &conference, &failure, &failedAt, &m.Revision,
		&erasedAt,
	}, more...)...)
	if err != nil {
		return err
	}
	m.ClosedAt, m.EventRoomID, m.ConferenceRoomID = orZero(closedAt), orZero(event), orZero(conference)
	m.Failure, m.ErasedAt = failure.Failure(failedAt), orZero(erasedAt)
	return nil
}

// shownUpdateColumns are what scanWithUpdate reads from `minigroup_update u`, which joinShownUpdate joins: the update
// that the minigroup shows.
const (
	shownUpdateColumns = `u.id, u.state, u.requested, u.failure, u.decided_at`
	joinShownUpdate    = `
	LEFT JOIN LATERAL (SELECT * FROM minigroup_update WHERE id = m.last_update_id LIMIT 1) u ON true`
)

// scanWithUpdate reads minigroupColumns and shownUpdateColumns into m, and the columns that follow them into more.
func scanWithUpdate(row pgx.Row, m *minigroup.Minigroup, more ...any) error {
	var id *uuid.UUID
	var state *minigroup.UpdateState
	var requested *stored.Change
	var failure *stored.Failure
	var decidedAt *time.Time
	if err := scanMinigroup(row, m, append([]any{&id, &state, &requested, &failure, &decidedAt}, more...)...); err != nil {
		return err
	}
	if id != nil {
		m.Update = &minigroup.Update{
			ID: *id, State: *state, Requested: requested.Change(), Failure: failure.Failure(decidedAt),
		}
	}
	return nil
}

// insertMinigroup inserts the values of rowOf, unless the minigroup, or its scope, has a row. ON CONFLICT names no
// index: of two rows inserted at the same time Postgres may notice the second in either one.
const insertMinigroup = `
	INSERT INTO minigroup (id, audience, scope, state, owner, during, host, reserve, locked_chat, locked_questions,
		tags, properties, fingerprint, failure, requested_by)
	VALUES ($1, $2, $3, $4, $5, tstzrange(to_timestamp($6::bigint), to_timestamp($7::bigint)), $8, $9, $10, $11,
		$12, coalesce($13, '{}'::jsonb), $14, $15, $16)
	ON CONFLICT DO NOTHING`

func rowOf(run string, state minigroup.State, r minigroup.CreateRequest, failure *stored.Failure) []any {
	return []any{
		r.ID, r.Audience, r.Scope, state, run, r.Time.Start, r.Time.End, r.Host, r.Reserve, r.LockedChat, r.LockedQuestions,
		jsonText(r.Tags), jsonText(r.Properties), r.Fingerprint, failure,
		stored.NewRequester(r.RequestedBy),
	}
}

// insertRow inserts a minigroup and returns true, or returns false if it has a row.
func insertRow(
	ctx context.Context, tx pgx.Tx, run string, state minigroup.State, r minigroup.CreateRequest, failure *stored.Failure,
) (bool, error) {
	tag, err := tx.Exec(ctx, insertMinigroup, rowOf(run, state, r, failure)...)
	if err != nil {
		return false, fmt.Errorf("insert minigroup: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// takeForCreate gives the locked row to the run, which creates it from the request. Properties that were set since are
// kept if the run owns the row already, or if it retries what the row holds. takeForCreate returns
// *minigroup.SupersededError if a retry finds that another request has replaced the original, or that its personal data
// was erased.
func takeForCreate(ctx context.Context, tx pgx.Tx, run string, r minigroup.CreateRequest) error {
	tag, err := tx.Exec(ctx, `
		UPDATE minigroup SET state = 'creating', owner = $2, failure = NULL, failed_at = NULL, changed_at = now(),
			during = tstzrange(to_timestamp($3::bigint), to_timestamp($4::bigint)), host = $5, reserve = $6,
			locked_chat = $7, locked_questions = $8, tags = $9, fingerprint = $10, requested_by = $13,
			erased_at = NULL,
			properties = CASE WHEN owner = $2 OR $12 THEN properties ELSE coalesce($11, '{}'::jsonb) END
		WHERE id = $1 AND (NOT $12 OR fingerprint = $10 AND erased_at IS NULL)`,
		r.ID, run, r.Time.Start, r.Time.End, r.Host, r.Reserve, r.LockedChat, r.LockedQuestions,
		jsonText(r.Tags), r.Fingerprint, jsonText(r.Properties), r.Retry, stored.NewRequester(r.RequestedBy))
	if err != nil {
		return fmt.Errorf("take minigroup: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return minigroup.Supersededf(
			"another request for this scope has replaced the one to retry, or its personal data was erased")
	}
	return nil
}
