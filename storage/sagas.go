package storage

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/stored"
)

// OpenSagas lists at most limit sagas that have not changed within minAge: creates that are neither ready nor failed,
// and undecided updates. If there are more, each call chooses others.
func (s *Store) OpenSagas(ctx context.Context, minAge time.Duration, limit int) ([]minigroup.OpenSaga, error) {
	return list(ctx, s.pool, "list open sagas", func(row pgx.CollectableRow) (o minigroup.OpenSaga, err error) {
		var change *stored.Change
		err = row.Scan(&o.ClassID, &o.Audience, &o.Scope, &o.Run, &o.UpdateID, &change)
		o.Change = change.Change()
		return o, err
	}, `
		SELECT * FROM (
			SELECT id, audience, scope, owner, '00000000-0000-0000-0000-000000000000'::uuid, NULL::jsonb FROM minigroup
			WHERE state IN ('creating', 'undoing') AND changed_at < now() - $1::interval
			UNION ALL
			SELECT m.id, m.audience, m.scope, u.run, u.id, u.requested
			FROM minigroup_update u JOIN minigroup m ON m.id = u.class_id
			WHERE u.state IN ('requested', 'running') AND u.requested_at < now() - $1::interval
		) saga ORDER BY random() LIMIT $2`, minAge, limit)
}

const listWaiting = `
	SELECT * FROM (
		SELECT id, audience, scope, owner, '00000000-0000-0000-0000-000000000000'::uuid, NULL::jsonb, state,
			changed_at AS since
		FROM minigroup WHERE state IN ('creating', 'undoing') AND changed_at < now() - $1::interval
		UNION ALL
		SELECT m.id, m.audience, m.scope, u.run, u.id, u.requested, u.state, u.requested_at
		FROM minigroup_update u JOIN minigroup m ON m.id = u.class_id
		WHERE u.state IN ('requested', 'running') AND u.requested_at < now() - $1::interval
	) saga WHERE $2 = '' OR audience = $2 ORDER BY since, id LIMIT $3`

// WaitingSagas lists at most limit sagas that have been undecided for longer than olderThan, those that have waited
// longest first. The audience restricts them; empty: all.
func (s *Store) WaitingSagas(
	ctx context.Context, audience string, olderThan time.Duration, limit int,
) ([]minigroup.WaitingSaga, error) {
	return list(ctx, s.pool, "list waiting sagas", func(row pgx.CollectableRow) (w minigroup.WaitingSaga, err error) {
		var change *stored.Change
		err = row.Scan(&w.ClassID, &w.Audience, &w.Scope, &w.Run, &w.UpdateID, &change, &w.State, &w.Since)
		w.Change = change.Change()
		return w, err
	}, listWaiting, olderThan, audience, limit)
}
