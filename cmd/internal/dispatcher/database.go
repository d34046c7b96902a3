package dispatcher

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Database is the database of dispatcher.
type Database struct{ pool *pgxpool.Pool }

// Open connects to a database. What the URL does not name, such as a password, comes from the variables and files that
// psql reads: PGPASSWORD, PGPASSFILE, ~/.pgpass. With readOnly, Postgres refuses every change.
func Open(ctx context.Context, url string, readOnly bool) (*Database, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the address of dispatcher's database: %w", err)
	}
	cfg.MaxConns = 2
	cfg.ConnConfig.RuntimeParams["application_name"] = "minigroups ops"
	if readOnly {
		cfg.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err == nil {
		err = pool.Ping(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to dispatcher's database: %w", err)
	}
	return &Database{pool}, nil
}

// Close closes the connections.
func (d *Database) Close() { d.pool.Close() }

// Count returns how many minigroups there are; of one audience, unless that is empty.
func (d *Database) Count(ctx context.Context, audience string) (n int, err error) {
	err = d.pool.QueryRow(ctx, `
		SELECT count(*) FROM class WHERE kind = 'minigroup' AND ($1 = '' OR audience = $1)`, audience).Scan(&n)
	return n, wrap("count classes", err)
}

// selectClasses reads times as dispatcher shows them: in whole seconds, and a side that is included or excluded
// unusually moved by one.
const selectClasses = `
	SELECT id, audience, scope, isempty("time"),
		CASE WHEN isfinite(lower("time")) THEN
			floor(extract(epoch FROM lower("time")))::bigint + CASE WHEN lower_inc("time") THEN 0 ELSE 1 END END,
		CASE WHEN isfinite(upper("time")) THEN
			floor(extract(epoch FROM upper("time")))::bigint - CASE WHEN upper_inc("time") THEN 1 ELSE 0 END END,
		tags::text, properties::text, event_room_id, conference_room_id, created_at, preserve_history, reserve,
		CASE WHEN host IS NOT NULL THEN
			format('%s.%s.%s', (host).label, ((host).account_id).label, ((host).account_id).audience) END,
		timed_out, established, original_class_id
	FROM class `

func scanClass(row pgx.CollectableRow) (c Class, err error) {
	var tags, properties *string
	err = row.Scan(&c.ID, &c.Audience, &c.Scope, &c.Empty, &c.Start, &c.End, &tags, &properties, &c.EventRoomID,
		&c.ConferenceRoomID, &c.CreatedAt, &c.PreserveHistory, &c.Reserve, &c.Host, &c.TimedOut, &c.Established,
		&c.OriginalID)
	if tags != nil {
		c.Tags = []byte(*tags)
	}
	if properties != nil {
		c.Properties = []byte(*properties)
	}
	return c, err
}

// Classes returns the minigroups whose ids follow after, at most limit.
func (d *Database) Classes(ctx context.Context, audience string, after uuid.UUID, limit int) ([]Class, error) {
	rows, _ := d.pool.Query(ctx, selectClasses+`
		WHERE kind = 'minigroup' AND id > $1 AND ($2 = '' OR audience = $2) ORDER BY id LIMIT $3`, after, audience, limit)
	classes, err := pgx.CollectRows(rows, scanClass)
	return classes, wrap("read classes", err)
}

// Account is an account with its properties, a JSON object.
type Account struct {
	Audience, Label string
	Properties      []byte
}

// Accounts returns the accounts that follow after in the order of audience and label, at most limit.
func (d *Database) Accounts(ctx context.Context, audience string, after Account, limit int) ([]Account, error) {
	rows, _ := d.pool.Query(ctx, `
		SELECT (id).audience, (id).label, properties::text FROM account
		WHERE ((id).audience, (id).label) > ($1, $2) AND ($3 = '' OR (id).audience = $3)
		ORDER BY (id).audience, (id).label LIMIT $4`, after.Audience, after.Label, audience, limit)
	accounts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a Account, err error) {
		var properties string
		err = row.Scan(&a.Audience, &a.Label, &properties)
		a.Properties = []byte(properties)
		return a, err
	})
	return accounts, wrap("read accounts", err)
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s in dispatcher's database: %w", doing, err)
}
