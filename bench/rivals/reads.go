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

// ByID returns the minigroup.
func (c Constant) ByID(context.Context, uuid.UUID) (minigroup.Minigroup, error) {
	return c.Minigroup, nil
}

// ByIDForAccount returns the minigroup.
func (c Constant) ByIDForAccount(
	context.Context, uuid.UUID, minigroup.Account,
) (minigroup.Minigroup, json.RawMessage, error) {
	return c.Minigroup, nil, nil
}

// Lookup reads minigroups from the product's table with one query per read, the simplest implementation. It does not
// read failures and the details of undecided updates.
type Lookup struct{ Pool *pgxpool.Pool }

const lookup = `
	SELECT m.audience, m.scope, m.host,
		extract(epoch FROM lower(m.during))::bigint, extract(epoch FROM upper(m.during))::bigint,
		m.tags, m.properties, m.reserve, m.locked_chat, m.locked_questions, m.fingerprint, m.state, m.created_at, m.closed_at,
		m.timed_out, m.event_room_id, m.conference_room_id, m.owner, m.revision,
		(SELECT properties FROM account WHERE audience = $2 AND label = $3), u.id
	FROM minigroup m
	LEFT JOIN minigroup_update u ON u.id = m.last_update_id
	WHERE m.id = $1`

// ByID returns a minigroup, or a *minigroup.Error of kind ClassNotFound.
func (l Lookup) ByID(ctx context.Context, id uuid.UUID) (minigroup.Minigroup, error) {
	m, _, err := l.ByIDForAccount(ctx, id, minigroup.Account{})
	return m, err
}

// ByIDForAccount also returns the properties of the account.
func (l Lookup) ByIDForAccount(
	ctx context.Context, id uuid.UUID, a minigroup.Account,
) (m minigroup.Minigroup, properties json.RawMessage, err error) {
	var closedAt *time.Time
	var event, conference, update *uuid.UUID
	err = l.Pool.QueryRow(ctx, lookup, id, a.Audience, a.Label).Scan(
		&m.Audience, &m.Scope, &m.Host, &m.Time.Start, &m.Time.End, (*[]byte)(&m.Tags), (*[]byte)(&m.Properties), &m.Reserve,
		&m.LockedChat, &m.LockedQuestions, &m.Fingerprint, &m.State, &m.CreatedAt, &closedAt, &m.TimedOut,
		&event, &conference, &m.Run, &m.Revision, (*[]byte)(&properties), &update)
	if errors.Is(err, pgx.ErrNoRows) {
		err = minigroup.Errorf(minigroup.ClassNotFound, "there is no minigroup with this id")
	}
	if err != nil {
		return m, nil, err
	}
	m.ID = id
	if closedAt != nil {
		m.ClosedAt = *closedAt
	}
	if event != nil && conference != nil {
		m.EventRoomID, m.ConferenceRoomID = *event, *conference
	}
	return m, properties, nil
}
