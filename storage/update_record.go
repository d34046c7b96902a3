package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/stored"
)

// UpdateRecord reads an update. It returns a *minigroup.Error of kind ClassNotFound if it is unknown.
func (s *Store) UpdateRecord(ctx context.Context, id uuid.UUID) (minigroup.UpdateRecord, error) {
	rec, err := readUpdate(ctx, s.pool, id)
	if err == nil && rec == nil {
		err = minigroup.Errorf(minigroup.ClassNotFound, "there is no update %s", id)
	}
	return orZero(rec), err
}

// updateColumns are what scanUpdate reads from `minigroup_update u`.
const updateColumns = `u.id, u.class_id, u.state, u.run, u.requested, u.failure, u.decided_at, u.patch, u.patches,
	extract(epoch FROM u.patch_until - now())::float8,
	extract(epoch FROM lower(u.new_during))::bigint, extract(epoch FROM upper(u.new_during))::bigint,
	u.new_reserve, u.new_host, u.ends_class, u.patch_until IS NOT NULL OR u.look_up_at IS NOT NULL,
	(SELECT m.conference_room_id FROM minigroup m WHERE m.id = u.class_id)`

// readUpdate returns nil if there is no such update.
func readUpdate(ctx context.Context, q querier, id uuid.UUID) (*minigroup.UpdateRecord, error) {
	return scanUpdate(q.QueryRow(ctx, `SELECT `+updateColumns+` FROM minigroup_update u WHERE u.id = $1`, id))
}

// scanUpdate returns nil if there is no row.
func scanUpdate(row pgx.Row) (*minigroup.UpdateRecord, error) {
	var r minigroup.UpdateRecord
	var requested, patch *stored.Change
	var failure *stored.Failure
	var host *string
	var decided *time.Time
	var left *float64
	var room *uuid.UUID
	err := row.Scan(&r.ID, &r.ClassID, &r.State, &r.Run, &requested, &failure, &decided, &patch, &r.Patches, &left,
		&r.Plan.Time.Start, &r.Plan.Time.End, &r.Plan.Reserve, &host, &r.Plan.Ends, &r.MaybePatched,
		&room)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // absent is an answer here, not a failure
	}
	if err != nil {
		return nil, fmt.Errorf("read update: %w", err)
	}
	r.Requested, r.Failure = requested.Change(), failure.Failure(decided)
	r.Plan.Patch, r.Plan.Host, r.ConferenceRoomID = patch.Patch(), orZero(host), orZero(room)
	if left != nil {
		r.PatchOpen, r.PatchLeft = true, max(0, time.Duration(*left*float64(time.Second)))
	}
	return &r, nil
}

// PatchedHost returns the host that the last successful update of a class has set in conference, and "" if none is
// known.
func (s *Store) PatchedHost(ctx context.Context, classID uuid.UUID) (host string, err error) {
	err = s.pool.QueryRow(ctx, `
		SELECT new_host FROM minigroup_update WHERE class_id = $1 AND state = 'done' AND patch ? 'host'
		ORDER BY number DESC LIMIT 1`, classID).Scan(&host)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return host, wrap("read the last host in conference", err)
}

// ownsUpdate is the condition that the run $2 may act on the update $1.
const ownsUpdate = `id = $1 AND state = 'running' AND run = $2
	AND EXISTS (SELECT FROM minigroup m WHERE m.id = class_id AND m.owner = $2 AND m.state = 'ready')`

// notOwner is the error of a run that may not act on an update.
func notOwner(update uuid.UUID) error {
	return minigroup.Supersededf("the run does not own update %s, or the update is decided", update)
}
