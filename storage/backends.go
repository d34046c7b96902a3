package storage

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"minigroups/minigroup"
)

// ErrNoBackend says that there is no gateway of this id.
var ErrNoBackend = errors.New("there is no gateway of this id")

// SyncBackends makes the table of gateways equal to the configured ones. A gateway that is configured no more takes no
// new classes and keeps those it has. One that is draining goes on draining. Admissions under way are waited for.
func (s *Store) SyncBackends(ctx context.Context, backends []minigroup.Backend) error {
	return s.inBatch(ctx, "sync backends", func(batch *pgx.Batch) {
		batch.Queue(lockAdmission)
		ids := make([]string, len(backends))
		for i, b := range backends {
			ids[i] = b.ID
			batch.Queue(`
				INSERT INTO janus_backend AS b
					(id, "group", enabled, capacity, balancer_capacity, admin_url, janus_url)
				VALUES ($1, $2, true, $3, $4, $5, $6)
				ON CONFLICT (id) DO UPDATE SET "group" = excluded."group", enabled = true, capacity = excluded.capacity,
					balancer_capacity = excluded.balancer_capacity, admin_url = excluded.admin_url,
					janus_url = excluded.janus_url`,
				b.ID, b.Group, b.Capacity, b.BalancerCapacity, b.AdminURL, b.JanusURL)
		}
		batch.Queue(`UPDATE janus_backend SET enabled = false WHERE enabled AND NOT id = ANY($1)`, ids)
	})
}

// Drain keeps classes away from the gateway that it does not have yet, or, with yes false, lets them come again. It
// returns ErrNoBackend where there is no such gateway. Admissions under way are waited for. Done twice it does the same
// once.
func (s *Store) Drain(ctx context.Context, backend string, yes bool) error {
	known := false
	err := s.inBatch(ctx, "drain gateway", func(batch *pgx.Batch) {
		batch.Queue(lockAdmission)
		batch.Queue(`
			UPDATE janus_backend SET draining_since = CASE WHEN $2 THEN coalesce(draining_since, now()) END
			WHERE id = $1`, backend, yes).Exec(func(tag pgconn.CommandTag) error {
			known = tag.RowsAffected() == 1
			return nil
		})
	})
	if err == nil && !known {
		return ErrNoBackend
	}
	return err
}

// GatewayAnswers records whether a gateway answers. New reservations prefer those that do.
func (s *Store) GatewayAnswers(ctx context.Context, backend string, answers bool) error {
	return s.exec(ctx, "record whether a gateway answers", `
		UPDATE janus_backend SET away_since = CASE WHEN $2 THEN NULL ELSE now() END
		WHERE id = $1 AND (away_since IS NULL) <> $2`, backend, answers)
}

// Backends lists all gateways, including those that take no new classes.
func (s *Store) Backends(ctx context.Context) ([]minigroup.Backend, error) {
	return list(ctx, s.pool, "list gateways", func(row pgx.CollectableRow) (b minigroup.Backend, err error) {
		return b, row.Scan(&b.ID, &b.AdminURL, &b.JanusURL, &b.Group, &b.Capacity, &b.BalancerCapacity)
	}, `SELECT id, admin_url, janus_url, "group", capacity, balancer_capacity FROM janus_backend ORDER BY id`)
}

var listLoads = load(`'00000000-0000-0000-0000-000000000000'::uuid`, `tstzrange(date_trunc('second', now()), NULL)`,
	`ARRAY(SELECT id FROM janus_backend)`) + `
	SELECT b.id, b.admin_url, b.janus_url, b."group", b.capacity, b.balancer_capacity, b.enabled, b.away_since,
		b.draining_since, (SELECT max(l.others) FROM load l WHERE l.id = b.id),
		(SELECT count(*) FROM janus_reservation r WHERE r.backend_id = b.id AND r.state <> 'released')
	FROM janus_backend b ORDER BY b.id`

// BackendLoads lists all gateways with what is reserved on them from now on.
func (s *Store) BackendLoads(ctx context.Context) ([]minigroup.BackendLoad, error) {
	return list(ctx, s.pool, "list the load of gateways",
		func(row pgx.CollectableRow) (b minigroup.BackendLoad, err error) {
			var away, draining *time.Time
			err = row.Scan(&b.ID, &b.AdminURL, &b.JanusURL, &b.Group, &b.Capacity, &b.BalancerCapacity, &b.Enabled,
				&away, &draining, &b.Peak, &b.Live)
			b.AwaySince, b.DrainingSince = orZero(away), orZero(draining)
			return b, err
		}, listLoads)
}
