package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"minigroups/batch"
	"minigroups/minigroup"
)

// readOptions bound the queries that read minigroups. Usually one is under way while the next batch fills. A larger
// size would only make the first reader wait for the last; the timeout is that of the readers themselves.
var readOptions = batch.Options{Size: 64, Concurrency: 2, Slow: 10 * time.Millisecond, Timeout: 4 * time.Second}

// readKey is a minigroup and the account whose properties are read with it; the zero account reads none.
type readKey struct {
	class   minigroup.Key
	account minigroup.Account
}

// readValue is the result of a read; found is false if there is no such minigroup.
type readValue struct {
	found      bool
	minigroup  minigroup.Minigroup
	properties []byte
}

// newReader returns a batch reader of minigroups on the connections of a pool.
func (s *Store) newReader(pool *pgxpool.Pool, o batch.Options) *batch.Batcher[readKey, readValue] {
	o.Concurrency = min(o.Concurrency, int(pool.Config().MaxConns))
	return batch.New(func(ctx context.Context, keys []readKey) ([]readValue, error) {
		values, err := readMinigroups(ctx, pool, keys)
		if concernsAllConns(err) && ctx.Err() == nil {
			if errors.Is(err, errReadOnly) { // connectionWatch does not see it
				s.discardConns(err)
			}
			values, err = readMinigroups(ctx, pool, keys)
		}
		return values, err
	}, o)
}

// ByID reads a minigroup. It returns a *minigroup.Error of kind ClassNotFound if there is none.
func (s *Store) ByID(ctx context.Context, id uuid.UUID) (minigroup.Minigroup, error) {
	m, _, err := s.ReadFor(ctx, minigroup.ByID(id), minigroup.Account{})
	return m, err
}

// Read reads a minigroup. It returns a *minigroup.Error of kind ClassNotFound if there is none.
func (s *Store) Read(ctx context.Context, key minigroup.Key) (minigroup.Minigroup, error) {
	m, _, err := s.ReadFor(ctx, key, minigroup.Account{})
	return m, err
}

// ReadFor reads a minigroup and, in the same snapshot, the properties of an account, nil if it has none. It returns a
// *minigroup.Error of kind ClassNotFound if there is no such minigroup.
func (s *Store) ReadFor(
	ctx context.Context, key minigroup.Key, a minigroup.Account,
) (minigroup.Minigroup, json.RawMessage, error) {
	v, err := s.reader.Do(ctx, readKey{key, a})
	switch {
	case err != nil:
		return minigroup.Minigroup{}, nil, fmt.Errorf("read minigroup: %w", err)
	case !v.found:
		return minigroup.Minigroup{}, nil, minigroup.Errorf(minigroup.ClassNotFound, "there is no such minigroup")
	}
	return v.minigroup, v.properties, nil
}

// readQuery reads minigroups by their keys, each with the update that it shows.
//
// It is planned once for each connection, perhaps before there are any rows. LIMIT makes each row a lookup by its key,
// whatever Postgres knew of the table at that time.
const readQuery = `SELECT ` + minigroupColumns + `, ` + shownUpdateColumns + `,
	key.number, (SELECT properties FROM account a WHERE a.audience = key.audience AND a.label = key.label)
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
	WITH ORDINALITY key (id, class_audience, scope, audience, label, number)
CROSS JOIN LATERAL (
	SELECT * FROM minigroup WHERE id = CASE WHEN key.scope IS NULL THEN key.id
		ELSE (SELECT id FROM minigroup WHERE audience = key.class_audience AND scope = key.scope LIMIT 1) END
	LIMIT 1
) m` + joinShownUpdate

// readArgs are the arguments of readQuery. A column of names is NULL if no key has such names.
func readArgs(keys []readKey) []any {
	ids := make([][16]byte, len(keys))
	var classAudiences, scopes, audiences, labels []*string
	for i := range keys {
		ids[i] = keys[i].class.ID
		if ids[i] == uuid.Nil {
			setName(&classAudiences, keys, i, &keys[i].class.Audience)
			setName(&scopes, keys, i, &keys[i].class.Scope)
		}
		if keys[i].account != (minigroup.Account{}) {
			setName(&audiences, keys, i, &keys[i].account.Audience)
			setName(&labels, keys, i, &keys[i].account.Label)
		}
	}
	return []any{ids, classAudiences, scopes, audiences, labels}
}

// setName sets the name of key i in a column.
func setName(column *[]*string, keys []readKey, i int, name *string) {
	if *column == nil {
		*column = make([]*string, len(keys))
	}
	(*column)[i] = name
}

// readMinigroups answers keys by one query.
func readMinigroups(ctx context.Context, pool *pgxpool.Pool, keys []readKey) ([]readValue, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	rows, err := conn.Query(ctx, readQuery, readArgs(keys)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	values := make([]readValue, len(keys))
	for rows.Next() {
		if err := scanRead(rows, values); err != nil {
			return nil, err
		}
	}
	if rows.Err() == nil && hasBecomeReadOnly(conn.Conn().PgConn()) {
		return nil, errReadOnly // another server may be the primary, and have newer values
	}
	return values, rows.Err()
}

// scanRead reads a row of readQuery into the value of its key.
func scanRead(row pgx.Row, values []readValue) error {
	v := readValue{found: true}
	var number int64
	if err := scanWithUpdate(row, &v.minigroup, &number, &v.properties); err != nil {
		return err
	}
	values[number-1] = v
	return nil
}
