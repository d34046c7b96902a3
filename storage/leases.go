package storage

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// RenewLease records that the worker with this id is alive for the given time, and returns how many workers are. Leases
// that ended long ago are deleted.
func (s *Store) RenewLease(ctx context.Context, id uuid.UUID, duration time.Duration) (alive int, err error) {
	err = s.pool.QueryRow(ctx, `
		WITH own AS (
			INSERT INTO worker_lease (id, expires_at) VALUES ($1, now() + $2::interval)
			ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at
		)
		SELECT 1 + count(*) FROM worker_lease WHERE id <> $1 AND expires_at > now()`, id, duration).Scan(&alive)
	if err != nil {
		return 0, wrap("renew lease", err)
	}
	_, err = s.pool.Exec(ctx, `
		DELETE FROM worker_lease WHERE id IN (
			SELECT id FROM worker_lease WHERE expires_at < now() - interval '1 hour' FOR UPDATE SKIP LOCKED)`)
	return alive, wrap("delete ended leases", err)
}

// EndLease records that a worker has stopped.
func (s *Store) EndLease(ctx context.Context, id uuid.UUID) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM worker_lease WHERE id = $1`, id)
	return wrap("end lease", err)
}
