package dispatcher

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"minigroups/minigroup"
)

// ByID returns those of the minigroups that there are.
func (d *Database) ByID(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]Class, error) {
	classes, err := byID(ctx, d.pool, ids)
	return classes, wrap("read classes", err)
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func byID(ctx context.Context, q querier, ids []uuid.UUID) (map[uuid.UUID]Class, error) {
	rows, _ := q.Query(ctx, selectClasses+`WHERE kind = 'minigroup' AND id = ANY($1)`, ids)
	classes, err := pgx.CollectRows(rows, scanClass)
	byID := make(map[uuid.UUID]Class, len(classes))
	for _, c := range classes {
		byID[c.ID] = c
	}
	return byID, err
}

// NeedsContentID reports whether a row must have a content_id. Dispatcher shows the id of the class if it has none.
func (d *Database) NeedsContentID(ctx context.Context) (needed bool, err error) {
	err = d.pool.QueryRow(ctx, `
		SELECT attnotnull FROM pg_attribute WHERE attrelid = 'class'::regclass AND attname = 'content_id'`).Scan(&needed)
	return needed, wrap("read the columns of class", err)
}

// errRollBack ends the transaction of a dry run.
var errRollBack = errors.New("nothing is changed")

// writeClass inserts a class or updates it; $16 says that it must have a content_id, which is the scope then, as
// dispatcher has set it for its own classes.
const writeClass = `
	INSERT INTO class (id, kind, audience, scope, "time", tags, properties, event_room_id, conference_room_id, created_at,
		reserve, host, timed_out, established, content_id)
	VALUES ($1, 'minigroup', $2, $3, tstzrange(to_timestamp($4::bigint), to_timestamp($5::bigint)), $6::text::json,
		coalesce($7::text, '{}')::jsonb, $8, $9, $10, $11,
		CASE WHEN $12::text IS NOT NULL THEN ROW(ROW($13::text, $14::text), $12::text)::agent_id END, $15, true,
		CASE WHEN $16::boolean THEN $3::text END)
	ON CONFLICT (id) DO UPDATE SET audience = excluded.audience, scope = excluded.scope, "time" = excluded."time",
		tags = excluded.tags, properties = excluded.properties, event_room_id = excluded.event_room_id,
		conference_room_id = excluded.conference_room_id, reserve = excluded.reserve, host = excluded.host,
		timed_out = excluded.timed_out, established = true
	WHERE class.kind = 'minigroup'
	RETURNING xmax = 0`

// Write writes a minigroup and returns what became of it, and the class as it is then; now is in unix seconds. It is
// not written if dispatcher's row has changed since it had the hash m.Source.
func (d *Database) Write(
	ctx context.Context, m minigroup.ExportedClass, needsContentID, dryRun bool, now int64,
) (result minigroup.ImportResult, written Class, err error) {
	err = pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		there, err := byID(ctx, tx, []uuid.UUID{m.ID})
		if err != nil {
			return err
		}
		if before, exists := there[m.ID]; exists && before.Source() != m.Source {
			result = *skipped(minigroup.ImportChangedThere, "it was changed here and in dispatcher; what is there stays")
			return errRollBack
		}
		var inserted bool
		if err := tx.QueryRow(ctx, writeClass, columns(m.Minigroup, needsContentID, now)...).Scan(&inserted); err != nil {
			return err
		}
		result.Outcome = minigroup.ImportUpdated
		if inserted {
			result.Outcome = minigroup.ImportExported
		}
		if there, err = byID(ctx, tx, []uuid.UUID{m.ID}); err != nil {
			return err
		}
		if written = there[m.ID]; dryRun {
			return errRollBack
		}
		return nil
	})
	var known *pgconn.PgError
	switch {
	case errors.Is(err, errRollBack):
		err = nil
	case errors.As(err, &known) && known.Code == "23505":
		result, err = *skipped(minigroup.ImportScopeTaken, "a class with another id has this scope there"), nil
	case errors.Is(err, pgx.ErrNoRows):
		result, err = *skipped(minigroup.ImportScopeTaken, "a class of another kind has this id there"), nil
	}
	return result, written, wrap("write class "+m.ID.String(), err)
}

// columns are the arguments of writeClass.
func columns(m minigroup.Minigroup, needsContentID bool, now int64) []any {
	window := m.Time
	if !m.ClosedAt.IsZero() && !window.Ended(now) { // it was closed before it began
		end := m.ClosedAt.Unix()
		window = minigroup.Window{Start: new(end - 1), End: &end}
	}
	var label, account, audience *string
	if agent := strings.SplitN(m.Host, ".", 3); len(agent) == 3 {
		label, account, audience = &agent[0], &agent[1], &agent[2]
	}
	var tags, properties *string
	if m.Tags != nil {
		tags = new(string(m.Tags))
	}
	if m.Properties != nil {
		properties = new(string(m.Properties))
	}
	return []any{
		m.ID, m.Audience, m.Scope, window.Start, window.End, tags, properties, m.EventRoomID, m.ConferenceRoomID,
		m.CreatedAt.Truncate(time.Microsecond), m.Reserve, label, account, audience, m.TimedOut, needsContentID,
	}
}

// WriteAccount gives an account the properties, and keeps those that only dispatcher has. It returns whether that
// changes anything.
func (d *Database) WriteAccount(ctx context.Context, a Account, dryRun bool) (changed bool, err error) {
	err = pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			INSERT INTO account (id, properties) VALUES (ROW($1::text, $2::text)::account_id, $3::text::jsonb)
			ON CONFLICT (id) DO UPDATE SET properties = account.properties || excluded.properties
			WHERE account.properties || excluded.properties <> account.properties`, a.Label, a.Audience, string(a.Properties))
		changed = err == nil && tag.RowsAffected() > 0
		if err == nil && dryRun {
			err = errRollBack
		}
		return err
	})
	if errors.Is(err, errRollBack) {
		err = nil
	}
	return changed, wrap("write an account", err)
}
