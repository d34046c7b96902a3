package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// minigroupColumns are what scanMinigroup reads from `minigroup m`.
const minigroupColumns = `m.audience, m.scope, m.host,
	extract(epoch FROM lower(m.during))::bigint, extract(epoch FROM upper(m.during))::bigint,
	m.tags, m.properties, m.reserve, m.locked_chat, m.locked_questions, m.fingerprint, m.state, m.owner, m.created_at, m.closed_at, m.timed_out,
	m.event_room_id, m.conference_room_id, m.failure, m.failed_at, m.revision`

// The columns and tables of a read tell the last update that somebody asked for; one that asks for nothing is a comparison. An
// update whose caller was told at once that its condition did not hold is as if it had never been.
const (
	readColumns = `SELECT ` + minigroupColumns + `,
	u.id, u.state, u.requested, u.failure, u.decided_at`
	readTables = `
FROM minigroup m
LEFT JOIN LATERAL (
	SELECT id, state, requested, failure, decided_at FROM minigroup_update
	WHERE class_id = m.id AND requested <> '{}' AND (announced OR state <> 'failed' OR failure->>'kind' <> 'precondition_failed')
	ORDER BY number DESC LIMIT 1
) u ON u.state <> 'done'
WHERE m.id = $1`

	minigroupByID       = readColumns + readTables
	minigroupForAccount = readColumns + `,
	(SELECT properties FROM account WHERE audience = $2 AND label = $3)` + readTables
)

// ByID reads a minigroup. It returns a *minigroup.Error of kind ClassNotFound where there is none.
func (s *Store) ByID(ctx context.Context, id uuid.UUID) (minigroup.Minigroup, error) {
	return s.read(ctx, nil, minigroupByID, id)
}

// ByIDForAccount reads a minigroup and, at the same moment, the properties of an account: nil where it has none. It returns
// a *minigroup.Error of kind ClassNotFound where there is no such minigroup.
func (s *Store) ByIDForAccount(ctx context.Context, id uuid.UUID, a minigroup.Account) (m minigroup.Minigroup, properties json.RawMessage, err error) {
	m, err = s.read(ctx, []any{(*[]byte)(&properties)}, minigroupForAccount, id, a.Audience, a.Label)
	return m, properties, err
}

// read makes one query for one minigroup; more is where the columns after its own go.
func (s *Store) read(ctx context.Context, more []any, sql string, args ...any) (minigroup.Minigroup, error) {
	m, err := s.readOnce(ctx, more, sql, args...)
	if !isLost(err) || ctx.Err() != nil {
		return m, err
	}
	s.pool.Reset() // the others are as old: Postgres was restarted, or the network was
	return s.readOnce(ctx, more, sql, args...)
}

func (s *Store) readOnce(ctx context.Context, more []any, sql string, args ...any) (minigroup.Minigroup, error) {
	var m minigroup.Minigroup
	var updateID *uuid.UUID
	var updateState *minigroup.UpdateState
	var requested *changeJSON
	var failure *failureJSON
	var decidedAt *time.Time
	row := s.pool.QueryRow(ctx, sql, args...)
	err := scanMinigroup(row, &m, append([]any{&updateID, &updateState, &requested, &failure, &decidedAt}, more...)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return m, minigroup.Errorf(minigroup.ClassNotFound, "there is no minigroup with this id")
	}
	if err != nil {
		return m, fmt.Errorf("read minigroup: %w", err)
	}
	if updateID != nil {
		m.Update = &minigroup.Update{ID: *updateID, State: *updateState, Requested: requested.change(), Failure: failure.failure(decidedAt)}
	}
	return m, nil
}

// scanMinigroup reads minigroupColumns into m, and what comes after them into more.
func scanMinigroup(row pgx.Row, m *minigroup.Minigroup, more ...any) error {
	var closedAt, failedAt *time.Time
	var event, conference *uuid.UUID
	var failure *failureJSON
	err := row.Scan(append([]any{
		&m.Audience, &m.Scope, &m.Host, &m.Time.Start, &m.Time.End, (*[]byte)(&m.Tags), (*[]byte)(&m.Properties),
		&m.Reserve, &m.LockedChat, &m.LockedQuestions, &m.Fingerprint, &m.State, &m.Run, &m.CreatedAt, &closedAt, &m.TimedOut, &event, &conference, &failure, &failedAt, &m.Revision,
	}, more...)...)
	if err != nil {
		return err
	}
	if closedAt != nil {
		m.ClosedAt = *closedAt
	}
	if event != nil && conference != nil {
		m.EventRoomID, m.ConferenceRoomID = *event, *conference
	}
	m.Failure = failure.failure(failedAt)
	return nil
}
