package storage

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/stored"
)

// What operators ask for. Every list is bounded and goes by a partial index, however large the tables are.

// Now is the moment by the clock that writes all moments of the ledger.
func (s *Store) Now(ctx context.Context) (now time.Time, err error) {
	return now, wrap("ask for the time", s.pool.QueryRow(ctx, `SELECT now()`).Scan(&now))
}

const (
	failedWhere = ` FROM minigroup
		WHERE state = 'failed' AND failed_at >= $1 AND (failed_at, id) < (coalesce($2, 'infinity'::timestamptz), $3)
			AND ($4 = '' OR audience = $4) AND ($5 = '' OR failure->>'kind' = $5) AND ($6 = '' OR failure->>'upstream' = $6)`
	listFailed  = `SELECT id, audience, scope, failure, failed_at` + failedWhere + ` ORDER BY failed_at DESC, id DESC LIMIT $7`
	countFailed = `SELECT count(*)` + failedWhere
)

func failedArgs(f minigroup.FailedFilter, after *minigroup.FailedMinigroup) []any {
	var before *time.Time
	id := uuid.Nil
	switch {
	case after != nil:
		before, id = &after.Failure.FailedAt, after.ClassID
	case !f.Before.IsZero():
		before = &f.Before
	}
	return []any{f.Since, before, id, f.Audience, f.Kind, f.Upstream}
}

// FailedMinigroups lists at most so many failed minigroups, the latest first; where after is given, those that come after it
// in this order.
func (s *Store) FailedMinigroups(ctx context.Context, f minigroup.FailedFilter, after *minigroup.FailedMinigroup, limit int) ([]minigroup.FailedMinigroup, error) {
	return list(ctx, s.pool, "list failed minigroups", func(row pgx.CollectableRow) (m minigroup.FailedMinigroup, err error) {
		var failure *stored.Failure
		var at time.Time
		if err := row.Scan(&m.ClassID, &m.Audience, &m.Scope, &failure, &at); err != nil {
			return m, err
		}
		m.Failure = *failure.Failure(&at)
		return m, nil
	}, listFailed, append(failedArgs(f, after), limit)...)
}

// CountFailed counts the failed minigroups.
func (s *Store) CountFailed(ctx context.Context, f minigroup.FailedFilter) (n int, err error) {
	return n, wrap("count failed minigroups", s.pool.QueryRow(ctx, countFailed, failedArgs(f, nil)...).Scan(&n))
}

const listWaiting = `
	SELECT * FROM (
		SELECT id, audience, scope, owner, '00000000-0000-0000-0000-000000000000'::uuid, NULL::jsonb, state, changed_at AS since
		FROM minigroup WHERE state IN ('creating', 'undoing') AND changed_at < now() - $1::interval
		UNION ALL
		SELECT m.id, m.audience, m.scope, u.run, u.id, u.requested, u.state, u.requested_at
		FROM minigroup_update u JOIN minigroup m ON m.id = u.class_id
		WHERE u.state IN ('requested', 'running') AND u.requested_at < now() - $1::interval
	) saga WHERE $2 = '' OR audience = $2 ORDER BY since, id LIMIT $3`

// WaitingSagas lists at most so many sagas of an audience (empty: of all) that have been undecided for longer than olderThan,
// those that have waited longest first.
func (s *Store) WaitingSagas(ctx context.Context, audience string, olderThan time.Duration, limit int) ([]minigroup.WaitingSaga, error) {
	return list(ctx, s.pool, "list waiting sagas", func(row pgx.CollectableRow) (w minigroup.WaitingSaga, err error) {
		var change *stored.Change
		err = row.Scan(&w.ClassID, &w.Audience, &w.Scope, &w.Run, &w.UpdateID, &change, &w.State, &w.Since)
		w.Change = change.Change()
		return w, err
	}, listWaiting, olderThan, audience, limit)
}

// lastOfClass bounds what is shown of one minigroup.
const lastOfClass = 100

// AttemptsOf lists the last attempts to create rooms for a class, the latest first.
func (s *Store) AttemptsOf(ctx context.Context, classID uuid.UUID) ([]minigroup.AttemptRecord, error) {
	return list(ctx, s.pool, "list attempts", func(row pgx.CollectableRow) (a minigroup.AttemptRecord, err error) {
		var room *uuid.UUID
		err = row.Scan(&a.ID, &a.State, &room, &a.Kind, &a.Operation, &a.Run, &a.SentAt, &a.ExpiresAt, &a.Resolution)
		if room != nil {
			a.RoomID = *room
		}
		return a, err
	}, `
		SELECT id, state, room_id, kind, operation, run, sent_at, expires_at, coalesce(resolution, '')
		FROM room_attempt WHERE class_id = $1 ORDER BY sent_at DESC, id LIMIT $2`, classID, lastOfClass)
}

// ReservationsOf lists the last reservations of a class, released ones included, the latest first.
func (s *Store) ReservationsOf(ctx context.Context, classID uuid.UUID) ([]minigroup.ReservationRecord, error) {
	return list(ctx, s.pool, "list reservations", func(row pgx.CollectableRow) (r minigroup.ReservationRecord, err error) {
		r.ClassID = classID
		return r, row.Scan(&r.ID, &r.Backend.ID, &r.State, &r.Slots, &r.Doubtful, &r.During.Start, &r.During.End)
	}, `
		SELECT id, backend_id, state, slots, doubtful, extract(epoch FROM lower(during))::bigint, extract(epoch FROM upper(during))::bigint
		FROM janus_reservation WHERE class_id = $1 ORDER BY created_at DESC, id LIMIT $2`, classID, lastOfClass)
}

// UpdatesOf lists the last updates of a class, comparisons included, the latest first.
func (s *Store) UpdatesOf(ctx context.Context, classID uuid.UUID) ([]minigroup.UpdateSummary, error) {
	return list(ctx, s.pool, "list updates", func(row pgx.CollectableRow) (u minigroup.UpdateSummary, err error) {
		var requested *stored.Change
		var failure *stored.Failure
		var decided *time.Time
		if err := row.Scan(&u.ID, &u.State, &u.Run, &requested, &failure, &u.RequestedAt, &decided); err != nil {
			return u, err
		}
		u.Requested, u.Failure, u.DecidedAt = requested.Change(), failure.Failure(decided), orZero(decided)
		return u, nil
	}, `
		SELECT id, state, run, requested, failure, requested_at, decided_at
		FROM minigroup_update WHERE class_id = $1 ORDER BY number DESC LIMIT $2`, classID, lastOfClass)
}

// Lost lists at most so many attempts that were never answered, the latest first. Those whose room was found and closed are
// among them where closed is set.
func (s *Store) LostAttempts(ctx context.Context, closed bool, limit int) ([]minigroup.LostAttempt, error) {
	return list(ctx, s.pool, "list lost attempts", func(row pgx.CollectableRow) (l minigroup.LostAttempt, err error) {
		return l, row.Scan(&l.Kind, &l.ClassID, &l.Audience, &l.Scope, &l.CreatedAfter, &l.CreatedBefore, &l.Resolution)
	}, listLost, closed, limit)
}

const listLost = `
	SELECT a.kind, a.class_id, m.audience, m.scope, a.sent_at, a.expires_at, coalesce(a.resolution, '')
	FROM room_attempt a JOIN minigroup m ON m.id = a.class_id
	WHERE a.state = 'lost' AND ($1 OR a.resolution IS DISTINCT FROM 'closed')
	ORDER BY a.sent_at DESC, a.id LIMIT $2`

func orZero(at *time.Time) time.Time {
	if at == nil {
		return time.Time{}
	}
	return *at
}
