package storage

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/stored"
)

// minigroupColumns are what scanMinigroup reads from `minigroup m`.
const minigroupColumns = `m.id, m.audience, m.scope, m.host,
	extract(epoch FROM lower(m.during))::bigint, extract(epoch FROM upper(m.during))::bigint,
	m.tags, m.properties, m.reserve, m.locked_chat, m.locked_questions, m.fingerprint, m.state, m.owner, m.created_at, m.closed_at, m.timed_out,
	m.event_room_id, m.conference_room_id, m.failure, m.failed_at, m.revision`

// scanMinigroup reads minigroupColumns into m, and what comes after them into more.
func scanMinigroup(row pgx.Row, m *minigroup.Minigroup, more ...any) error {
	var closedAt, failedAt *time.Time
	var event, conference *uuid.UUID
	var failure *stored.Failure
	err := row.Scan(append([]any{
		&m.ID, &m.Audience, &m.Scope, &m.Host, &m.Time.Start, &m.Time.End, (*[]byte)(&m.Tags), (*[]byte)(&m.Properties),
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
	m.Failure = failure.Failure(failedAt)
	return nil
}
