package rivals

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"minigroups/minigroup"
)

// Constant returns the same minigroup for every read, without a database.
type Constant struct{ Minigroup minigroup.Minigroup }

// Read returns the minigroup.
func (c Constant) Read(context.Context, minigroup.Key) (minigroup.Minigroup, error) {
	return c.Minigroup, nil
}

// ReadFor returns the minigroup.
func (c Constant) ReadFor(
	context.Context, minigroup.Key, minigroup.Account,
) (minigroup.Minigroup, json.RawMessage, error) {
	return c.Minigroup, nil, nil
}

// Lookup reads minigroups from the product's table with one query per read, the simplest implementation. It does not
// read failures and the details of undecided updates.
type Lookup struct{ Pool *pgxpool.Pool }

const lookup = `
	SELECT m.id, m.audience, m.scope, m.host,
		extract(epoch FROM lower(m.during))::bigint, extract(epoch FROM upper(m.during))::bigint,
		m.tags, m.properties, m.reserve, m.locked_chat, m.locked_questions, m.fingerprint, m.state, m.created_at, m.closed_at,
		m.timed_out, m.event_room_id, m.conference_room_id, m.owner, m.revision,
		(SELECT properties FROM account WHERE audience = $1 AND label = $2), u.id
	FROM minigroup m
	LEFT JOIN minigroup_update u ON u.id = m.last_update_id
	WHERE `

// Read returns a minigroup, or a *minigroup.Error of kind ClassNotFound.
func (l Lookup) Read(ctx context.Context, key minigroup.Key) (minigroup.Minigroup, error) {
	m, _, err := l.ReadFor(ctx, key, minigroup.Account{})
	return m, err
}

// ReadFor also returns the properties of the account.
func (l Lookup) ReadFor(
	ctx context.Context, key minigroup.Key, a minigroup.Account,
) (m minigroup.Minigroup, properties json.RawMessage, err error) {
	var closedAt *time.Time
	var event, conference, update *uuid.UUID
	where, names := `m.id = $3`, []any{a.Audience, a.Label, key.ID}
	if key.ID == uuid.Nil {
		where, names = `m.audience = $3 AND m.scope = $4`, []any{a.Audience, a.Label, key.Audience, key.Scope}
	}
	err = l.Pool.QueryRow(ctx, lookup+where, names...).Scan(
		&m.ID, &m.Audience, &m.Scope, &m.Host, &m.Time.Start, &m.Time.End,
		(*[]byte)(&m.Tags), (*[]byte)(&m.Properties), &m.Reserve,
		&m.LockedChat, &m.LockedQuestions, &m.Fingerprint, &m.State, &m.CreatedAt, &closedAt, &m.TimedOut,
		&event, &conference, &m.Run, &m.Revision, (*[]byte)(&properties), &update)
	if errors.Is(err, pgx.ErrNoRows) {
		err = minigroup.Errorf(minigroup.ClassNotFound, "there is no such minigroup")
	}
	if err != nil {
		return m, nil, err
	}
	if closedAt != nil {
		m.ClosedAt = *closedAt
	}
	if event != nil && conference != nil {
		m.EventRoomID, m.ConferenceRoomID = *event, *conference
	}
	return m, properties, nil
}
