package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// Single properties are merged by one statement each, so that of two that are written at the same time none is lost.

// SetProperty sets one property of a minigroup, whatever its state, and returns all of them. It returns a
// *minigroup.Error of kind PayloadTooLarge if they would exceed minigroup.MaxPropertiesBytes, and ClassNotFound if
// there is no such minigroup. changed_at stays as it is, because the sweeper uses it to find sagas that no run works
// on.
func (s *Store) SetProperty(
	ctx context.Context, id uuid.UUID, key string, value json.RawMessage,
) (json.RawMessage, error) {
	var exists bool
	var properties []byte
	err := s.pool.QueryRow(ctx, `
		WITH merged AS (
			UPDATE minigroup SET properties = properties || jsonb_build_object($2::text, $3::jsonb)
			WHERE id = $1 AND octet_length((properties || jsonb_build_object($2::text, $3::jsonb))::text) <= $4
			RETURNING properties
		)
		SELECT EXISTS (SELECT FROM minigroup WHERE id = $1), (SELECT properties FROM merged)`,
		id, key, string(value), minigroup.MaxPropertiesBytes).Scan(&exists, &properties)
	switch {
	case err != nil:
		return nil, fmt.Errorf("set property: %w", err)
	case !exists:
		return nil, minigroup.Errorf(minigroup.ClassNotFound, "there is no minigroup with this id")
	case properties == nil:
		return nil, tooManyProperties("minigroup")
	}
	return properties, nil
}

// AccountProperties reads all properties of an account, nil if it has none.
func (s *Store) AccountProperties(ctx context.Context, a minigroup.Account) (json.RawMessage, error) {
	var properties []byte
	err := s.reads.QueryRow(ctx, `
		SELECT properties FROM account WHERE audience = $1 AND label = $2`, a.Audience, a.Label).Scan(&properties)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("read account properties: %w", err)
	}
	return properties, nil
}

// SetAccountProperty sets one property of an account and returns all of them. It returns a *minigroup.Error of kind
// PayloadTooLarge if they would exceed minigroup.MaxPropertiesBytes.
func (s *Store) SetAccountProperty(
	ctx context.Context, a minigroup.Account, key string, value json.RawMessage,
) (json.RawMessage, error) {
	var properties []byte
	err := s.pool.QueryRow(ctx, `
		INSERT INTO account AS a (audience, label, properties)
		SELECT $1, $2, new FROM jsonb_build_object($3::text, $4::jsonb) new WHERE octet_length(new::text) <= $5
		ON CONFLICT (audience, label) DO UPDATE SET properties = a.properties || excluded.properties, changed_at = now()
			WHERE octet_length((a.properties || excluded.properties)::text) <= $5
		RETURNING properties`,
		a.Audience, a.Label, key, string(value), minigroup.MaxPropertiesBytes).Scan(&properties)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, tooManyProperties("account")
	}
	if err != nil {
		return nil, fmt.Errorf("set account property: %w", err)
	}
	return properties, nil
}

func tooManyProperties(of string) *minigroup.Error {
	return minigroup.Errorf(minigroup.PayloadTooLarge,
		"all properties of the %s may have at most %d bytes together", of, minigroup.MaxPropertiesBytes)
}
