package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// purgedPerKey is how many old keys are deleted for each new one. A call writes at most one key, so the table stays
// little larger than the keys of the time that they are kept, and no other process has to purge it.
const purgedPerKey = 10

// ClaimKey records the key of a request before the request is processed, and returns the answer that was recorded for
// it, or nil. It returns a *minigroup.Error of kind IdempotencyKeyReused if the key came with another request before. A
// key that is older than keep is treated as new.
func (s *Store) ClaimKey(
	ctx context.Context, k minigroup.RequestKey, keep time.Duration,
) (*minigroup.Answer, error) {
	var known minigroup.RequestKey
	var status *int
	var location, etag *string
	var body []byte
	err := s.inTx(ctx, "claim idempotency key", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			DELETE FROM idempotency_key WHERE id = ANY(ARRAY(
				SELECT id FROM idempotency_key WHERE created_at < now() - $1::interval AND id <> $2
				ORDER BY created_at LIMIT $3 FOR UPDATE SKIP LOCKED))`, keep, k.ID, purgedPerKey)
		if err != nil {
			return fmt.Errorf("delete old keys: %w", err)
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO idempotency_key AS k (id, fingerprint) VALUES ($1, $2)
			ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, created_at = now(),
				status = NULL, location = NULL, etag = NULL, body = NULL
			WHERE k.created_at < now() - $3::interval`, k.ID, k.Fingerprint, keep)
		if err != nil {
			return fmt.Errorf("write key: %w", err)
		}
		return tx.QueryRow(ctx, `
			SELECT fingerprint, status, location, etag, body FROM idempotency_key WHERE id = $1`, k.ID).
			Scan(&known.Fingerprint, &status, &location, &etag, &body)
	})
	switch {
	case err != nil:
		return nil, err
	case known.Fingerprint != k.Fingerprint:
		return nil, minigroup.Errorf(minigroup.IdempotencyKeyReused, "the Idempotency-Key came with another request before")
	case status == nil:
		return nil, nil //nolint:nilnil // no answer yet is not a failure
	}
	return &minigroup.Answer{Status: *status, Location: orZero(location), ETag: orZero(etag), Body: body}, nil
}

// RecordAnswer records the answer to the request of a key, which has succeeded, unless one is recorded, and returns the
// one that is. If the key was deleted meanwhile, it returns the answer and records nothing.
func (s *Store) RecordAnswer(
	ctx context.Context, k minigroup.RequestKey, a minigroup.Answer,
) (minigroup.Answer, error) {
	recorded := minigroup.Answer{}
	err := s.pool.QueryRow(ctx, `
		UPDATE idempotency_key SET status = coalesce(status, $3), body = coalesce(body, $6),
			location = CASE WHEN status IS NULL THEN nullif($4, '') ELSE location END,
			etag = CASE WHEN status IS NULL THEN nullif($5, '') ELSE etag END
		WHERE id = $1 AND fingerprint = $2
		RETURNING status, coalesce(location, ''), coalesce(etag, ''), body`,
		k.ID, k.Fingerprint, a.Status, a.Location, a.ETag, a.Body).
		Scan(&recorded.Status, &recorded.Location, &recorded.ETag, &recorded.Body)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, nil
	}
	return recorded, wrap("record answer", err)
}
