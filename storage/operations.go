package storage

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/stored"
)

// Queries of operators. Every list is bounded and read from a partial index, so its cost does not depend on the size of
// the tables.

const (
	failedWhere = `
		FROM minigroup
		WHERE state = 'failed' AND failed_at >= $1 AND (failed_at, id) < (coalesce($2, 'infinity'::timestamptz), $3)
			AND ($4 = '' OR audience = $4) AND ($5 = '' OR failure->>'kind' = $5)
			AND ($6 = '' OR failure->>'upstream' = $6)`
	listFailed = `SELECT id, audience, scope, failure, failed_at` + failedWhere + `
		ORDER BY failed_at DESC, id DESC LIMIT $7`
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

// FailedMinigroups lists at most limit failed minigroups, the latest first; with after, those that follow it.
func (s *Store) FailedMinigroups(
	ctx context.Context, f minigroup.FailedFilter, after *minigroup.FailedMinigroup, limit int,
) ([]minigroup.FailedMinigroup, error) {
	scan := func(row pgx.CollectableRow) (m minigroup.FailedMinigroup, err error) {
		var failure *stored.Failure
		var at time.Time
		if err := row.Scan(&m.ClassID, &m.Audience, &m.Scope, &failure, &at); err != nil {
			return m, err
		}
		m.Failure = *failure.Failure(&at)
		return m, nil
	}
	return list(ctx, s.pool, "list failed minigroups", scan, listFailed, append(failedArgs(f, after), limit)...)
}

// CountFailed counts failed minigroups.
func (s *Store) CountFailed(ctx context.Context, f minigroup.FailedFilter) (n int, err error) {
	err = s.pool.QueryRow(ctx, countFailed, failedArgs(f, nil)...).Scan(&n)
	return n, wrap("count failed minigroups", err)
}

// HistoryLimit bounds the rows of each kind that are listed of one class.
const HistoryLimit = 100

// AttemptsOf lists the last attempts to create rooms for a class, the latest first.
func (s *Store) AttemptsOf(ctx context.Context, classID uuid.UUID) ([]minigroup.AttemptRecord, error) {
	return list(ctx, s.pool, "list attempts", func(row pgx.CollectableRow) (a minigroup.AttemptRecord, err error) {
		var room *uuid.UUID
		err = row.Scan(&a.ID, &a.State, &room, &a.Kind, &a.Operation, &a.Run, &a.SentAt, &a.ExpiresAt, &a.Resolution)
		a.RoomID = orZero(room)
		return a, err
	}, `
		SELECT id, state, room_id, kind, operation, run, sent_at, expires_at, coalesce(resolution, '')
		FROM room_attempt WHERE class_id = $1 ORDER BY sent_at DESC, id LIMIT $2`, classID, HistoryLimit)
}

// ReservationsOf lists the last reservations of a class, including released ones, the latest first.
func (s *Store) ReservationsOf(ctx context.Context, classID uuid.UUID) ([]minigroup.ReservationRecord, error) {
	scan := func(row pgx.CollectableRow) (r minigroup.ReservationRecord, err error) {
		r.ClassID = classID
		err = row.Scan(&r.ID, &r.Backend.ID, &r.State, &r.Slots, &r.Doubtful, &r.During.Start, &r.During.End,
			&r.CreatedAt)
		return r, err
	}
	return list(ctx, s.pool, "list reservations", scan, `
		SELECT id, backend_id, state, slots, doubtful,
			extract(epoch FROM lower(during))::bigint, extract(epoch FROM upper(during))::bigint, created_at
		FROM janus_reservation WHERE class_id = $1 ORDER BY created_at DESC, id LIMIT $2`, classID, HistoryLimit)
}

// UpdatesOf lists the last updates of a class, including repairs, the latest first.
func (s *Store) UpdatesOf(ctx context.Context, classID uuid.UUID) ([]minigroup.UpdateSummary, error) {
	return list(ctx, s.pool, "list updates", func(row pgx.CollectableRow) (u minigroup.UpdateSummary, err error) {
		var requested *stored.Change
		var failure *stored.Failure
		var decided *time.Time
		err = row.Scan(&u.ID, &u.State, &u.Run, &requested, &failure, &u.RequestedAt, &decided)
		u.Requested, u.Failure, u.DecidedAt = requested.Change(), failure.Failure(decided), orZero(decided)
		return u, err
	}, `
		SELECT id, state, run, requested, failure, requested_at, decided_at
		FROM minigroup_update WHERE class_id = $1 ORDER BY number DESC LIMIT $2`, classID, HistoryLimit)
}

// LostAttempts lists at most limit attempts whose deadline passed without an answer, the latest first. With closed, it
// includes those whose room was found and closed.
func (s *Store) LostAttempts(ctx context.Context, closed bool, limit int) ([]minigroup.LostAttempt, error) {
	return list(ctx, s.pool, "list lost attempts", func(row pgx.CollectableRow) (l minigroup.LostAttempt, err error) {
		err = row.Scan(&l.Kind, &l.ClassID, &l.Audience, &l.Scope, &l.CreatedAfter, &l.CreatedBefore, &l.Resolution)
		return l, err
	}, `
		SELECT a.kind, a.class_id, m.audience, m.scope, a.sent_at, a.expires_at, coalesce(a.resolution, '')
		FROM room_attempt a JOIN minigroup m ON m.id = a.class_id
		WHERE a.state = 'lost' AND ($1 OR a.resolution IS DISTINCT FROM 'closed')
		ORDER BY a.sent_at DESC, a.id LIMIT $2`, closed, limit)
}

// PendingReleases lists at most limit rooms that must be closed and reservations that are to be released, for longer
// than olderThan, those that have waited longest first.
func (s *Store) PendingReleases(
	ctx context.Context, olderThan time.Duration, limit int,
) ([]minigroup.PendingRelease, error) {
	scan := func(row pgx.CollectableRow) (p minigroup.PendingRelease, err error) {
		err = row.Scan(&p.Service, &p.Gateway, &p.ID, &p.ClassID, &p.Audience, &p.Scope, &p.Since)
		return p, err
	}
	return list(ctx, s.pool, "list pending releases", scan, `
		SELECT p.service, p.gateway, p.id, p.class_id, m.audience, m.scope, p.changed_at FROM (
			SELECT kind AS service, '' AS gateway, room_id AS id, class_id, changed_at
			FROM room_attempt WHERE state = 'releasing' AND room_id IS NOT NULL
			UNION ALL
			SELECT kind, '', room_id, class_id, changed_at FROM announced_room WHERE state = 'releasing'
			UNION ALL
			SELECT 'janus', backend_id, id, class_id, changed_at FROM janus_reservation WHERE state = 'releasing'
		) p JOIN minigroup m ON m.id = p.class_id
		WHERE p.changed_at < now() - $1::interval ORDER BY p.changed_at, p.id LIMIT $2`, olderThan, limit)
}

// PendingRelease reads the room that must be closed, or the reservation that is to be released, with this id; ok is
// false if there is none.
func (s *Store) PendingRelease(ctx context.Context, id uuid.UUID) (p minigroup.PendingRelease, ok bool, err error) {
	room, ok, err := s.RoomPendingClose(ctx, id)
	if err != nil || ok {
		return minigroup.PendingRelease{Service: string(room.Kind), ID: id, ClassID: room.ClassID}, ok, err
	}
	err = s.pool.QueryRow(ctx, `
		SELECT backend_id, class_id FROM janus_reservation WHERE id = $1 AND state = 'releasing'`, id).
		Scan(&p.Gateway, &p.ClassID)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, false, nil
	}
	p.Service, p.ID = "janus", id
	return p, err == nil, wrap("read pending release", err)
}
