package rivals

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"minigroups/minigroup"
)

func createTable(ctx context.Context, pool *pgxpool.Pool) error {
	_, err := pool.Exec(ctx, `
		CREATE TABLE IF NOT EXISTS class (
			id                 uuid        PRIMARY KEY,
			audience           text        NOT NULL,
			scope              text        NOT NULL,
			host               text        NOT NULL,
			during             tstzrange   NOT NULL,
			reserve            integer,
			state              text        NOT NULL,
			event_room_id      uuid,
			conference_room_id uuid,
			changed_at         timestamptz NOT NULL DEFAULT now(),
			UNIQUE (audience, scope)
		)`)
	if err != nil {
		return fmt.Errorf("create the table: %w", err)
	}
	return nil
}

// execer is a pool or a transaction.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// begin is the first step: it inserts the row. A repetition has no effect.
func begin(ctx context.Context, q execer, d minigroup.Draft) error {
	_, err := q.Exec(ctx, beginSQL, beginArgs(d)...)
	return err
}

const beginSQL = `
	INSERT INTO class (id, audience, scope, host, during, reserve, state)
	VALUES ($1, $2, $3, $4, tstzrange(to_timestamp($5::bigint), to_timestamp($6::bigint)), $7, 'creating')
	ON CONFLICT DO NOTHING`

func beginArgs(d minigroup.Draft) []any {
	return []any{
		minigroup.NewClassID(d.Audience, d.Scope), d.Audience, d.Scope, d.Host, d.Time.Start, d.Time.End, d.Reserve,
	}
}

// establish is the last step: it writes the rooms into the row. A repetition has no effect.
func establish(ctx context.Context, q execer, d minigroup.Draft, rooms CreatedRooms) error {
	_, err := q.Exec(ctx, establishSQL, establishArgs(d, rooms)...)
	return err
}

const establishSQL = `
	UPDATE class SET state = 'ready', event_room_id = $2, conference_room_id = $3, changed_at = now() WHERE id = $1`

func establishArgs(d minigroup.Draft, rooms CreatedRooms) []any {
	return []any{minigroup.NewClassID(d.Audience, d.Scope), rooms.EventRoom, rooms.ConferenceRoom}
}
