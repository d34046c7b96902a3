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

// minigroupColumns are what scanMinigroup reads from `minigroup m`.
const minigroupColumns = `m.audience, m.scope, m.host,
	extract(epoch FROM lower(m.during))::bigint, extract(epoch FROM upper(m.during))::bigint,
	m.tags, m.reserve, m.locked_chat, m.fingerprint, m.state, m.created_at, m.closed_at, m.timed_out,
	m.event_room_id, m.conference_room_id, m.failure, m.failed_at`

// minigroupByID tells the last update that somebody asked for; one that asks for nothing is a comparison.
const minigroupByID = `SELECT ` + minigroupColumns + `,
	u.id, u.state, u.requested, u.failure, u.decided_at
FROM minigroup m
LEFT JOIN LATERAL (
	SELECT id, state, requested, failure, decided_at FROM minigroup_update
	WHERE class_id = m.id AND requested <> '{}' ORDER BY number DESC LIMIT 1
) u ON u.state <> 'done'
WHERE m.id = $1`

// ByID reads a minigroup. It returns a *minigroup.Error of kind ClassNotFound where there is none.
func (s *Store) ByID(ctx context.Context, id uuid.UUID) (minigroup.Minigroup, error) {
	m, err := s.byID(ctx, id)
	if !isLost(err) || ctx.Err() != nil {
		return m, err
	}
	s.pool.Reset() // the others are as old: Postgres was restarted, or the network was
	return s.byID(ctx, id)
}

func (s *Store) byID(ctx context.Context, id uuid.UUID) (minigroup.Minigroup, error) {
	var m minigroup.Minigroup
	var updateID *uuid.UUID
	var updateState *minigroup.UpdateState
	var requested *changeJSON
	var failure *failureJSON
	var decidedAt *time.Time
	row := s.pool.QueryRow(ctx, minigroupByID, id)
	err := scanMinigroup(row, &m, &updateID, &updateState, &requested, &failure, &decidedAt)
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
		&m.Audience, &m.Scope, &m.Host, &m.Time.Start, &m.Time.End, (*[]byte)(&m.Tags), &m.Reserve, &m.LockedChat,
		&m.Fingerprint, &m.State, &m.CreatedAt, &closedAt, &m.TimedOut, &event, &conference, &failure, &failedAt,
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
