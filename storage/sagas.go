package storage

import (
	"context"
	"fmt"
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

// maxCounted bounds how many sagas UnfinishedSagas counts.
const maxCounted = 100_000

// countUnfinished reads the indexes of unfinished sagas, which are as small as what it counts. LIMIT makes each
// minigroup a lookup by its key, whatever Postgres knew of the tables when it planned.
const countUnfinished = `
	SELECT audience, count(*) FROM (
		SELECT audience FROM minigroup WHERE state IN ('creating', 'undoing')
		UNION ALL
		SELECT m.audience FROM minigroup_update u
		CROSS JOIN LATERAL (SELECT audience FROM minigroup WHERE id = u.class_id LIMIT 1) m
		WHERE u.state IN ('requested', 'running')
		LIMIT $1
	) saga GROUP BY audience`

// UnfinishedSagas counts the sagas that are not finished, by audience: creates that are neither ready nor failed, and
// undecided updates. It has no entry for an audience without any. It stops counting at 100,000.
func (s *Store) UnfinishedSagas(ctx context.Context) (map[string]int, error) {
	counts, audience, n := map[string]int{}, "", 0
	rows, _ := s.reads.Query(ctx, countUnfinished, maxCounted) // ForEachRow returns its error
	_, err := pgx.ForEachRow(rows, []any{&audience, &n}, func() error {
		counts[audience] = n
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count unfinished sagas: %w", err)
	}
	return counts, nil
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
