package storage

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// ErrNoBackend says that there is no gateway with this id.
var ErrNoBackend = errors.New("there is no gateway of this id")

// SyncBackends makes the table of gateways equal to the configured ones. A gateway that is not configured any more gets
// no new classes and keeps those it has. A draining gateway stays draining. Admissions under way end first.
func (s *Store) SyncBackends(ctx context.Context, backends []minigroup.Backend) error {
	return s.inBatch(ctx, "sync backends", func(batch *pgx.Batch) {
		batch.Queue(lockAdmission)
		ids := make([]string, len(backends))
		for i, b := range backends {
			ids[i] = b.ID
			batch.Queue(`
				INSERT INTO janus_backend AS b (id, "group", enabled, capacity, balancer_capacity, admin_url, janus_url)
				VALUES ($1, $2, true, $3, $4, $5, $6)
				ON CONFLICT (id) DO UPDATE SET "group" = excluded."group", enabled = true, capacity = excluded.capacity,
					balancer_capacity = excluded.balancer_capacity, admin_url = excluded.admin_url,
					janus_url = excluded.janus_url`,
				b.ID, b.Group, b.Capacity, b.BalancerCapacity, b.AdminURL, b.JanusURL)
		}
		batch.Queue(`UPDATE janus_backend SET enabled = false WHERE enabled AND NOT id = ANY($1)`, ids)
	})
}

// Drain keeps classes away from a gateway that it does not have yet; with yes false, it gets them again. Admissions
// under way end first. Drain returns ErrNoBackend if there is no such gateway. Called twice, it does the same once.
func (s *Store) Drain(ctx context.Context, backend string, yes bool) error {
	var known bool
	err := s.inBatch(ctx, "drain gateway", func(batch *pgx.Batch) {
		batch.Queue(lockAdmission)
		batch.Queue(`
			UPDATE janus_backend SET draining_since = CASE WHEN $2 THEN coalesce(draining_since, now()) END
			WHERE id = $1`, backend, yes).Exec(wrote(&known))
	})
	if err == nil && !known {
		return ErrNoBackend
	}
	return err
}

// RecordGateway records whether a gateway answers well. Admissions prefer those that do. Called twice with the same
// state, it changes nothing.
func (s *Store) RecordGateway(ctx context.Context, backend string, state minigroup.GatewayState) error {
	return s.exec(ctx, "record the state of a gateway", `
		UPDATE janus_backend SET away_since = CASE WHEN $2 <> '' THEN coalesce(away_since, now()) END,
			away_reason = $2, unfit = $3
		WHERE id = $1 AND ((away_since IS NOT NULL) <> ($2 <> '') OR away_reason <> $2 OR unfit <> $3)`,
		backend, state.Reason, state.Unfit)
}

// Backends lists all gateways, including those that get no new classes.
func (s *Store) Backends(ctx context.Context) ([]minigroup.Backend, error) {
	return list(ctx, s.pool, "list gateways", func(row pgx.CollectableRow) (b minigroup.Backend, err error) {
		err = row.Scan(&b.ID, &b.AdminURL, &b.JanusURL, &b.Group, &b.Capacity, &b.BalancerCapacity)
		return b, err
	}, `SELECT id, admin_url, janus_url, "group", capacity, balancer_capacity FROM janus_backend ORDER BY id`)
}

// listLoads reads the greatest number of slots that are reserved on each gateway at any moment from now on.
var listLoads = load(
	`'00000000-0000-0000-0000-000000000000'::uuid`, `tstzrange(date_trunc('second', now()), NULL)`,
	`ARRAY(SELECT id FROM janus_backend)`) + `
	SELECT b.id, b.admin_url, b.janus_url, b."group", b.capacity, b.balancer_capacity, b.enabled, b.away_since,
		b.away_reason, b.unfit, b.draining_since, (SELECT max(l.others) FROM load l WHERE l.id = b.id),
		(SELECT count(*) FROM janus_reservation r WHERE r.backend_id = b.id AND r.state <> 'released')
	FROM janus_backend b ORDER BY b.id`

// BackendLoads lists all gateways with the slots that are reserved on them from now on.
func (s *Store) BackendLoads(ctx context.Context) ([]minigroup.BackendLoad, error) {
	scan := func(row pgx.CollectableRow) (b minigroup.BackendLoad, err error) {
		var away, draining *time.Time
		err = row.Scan(&b.ID, &b.AdminURL, &b.JanusURL, &b.Group, &b.Capacity, &b.BalancerCapacity, &b.Enabled,
			&away, &b.State.Reason, &b.State.Unfit, &draining, &b.Peak, &b.Live)
		b.AwaySince, b.DrainingSince = orZero(away), orZero(draining)
		return b, err
	}
	return list(ctx, s.pool, "list the load of gateways", scan, listLoads)
}
