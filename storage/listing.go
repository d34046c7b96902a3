package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// A list is read from an index that has its order, or from one that finds a small set, which is then sorted. Whatever
// the filters, a page examines at most as many minigroups as listBound says; the next one goes on after the last of
// these. So its cost depends neither on the size of the table nor on how rare the matches are.

// listBound is the maximum number of minigroups that a page examines; in SQL it is a constant, because the planner
// knows nothing of parameters.
const listBound = "10000"

// Sources of a list: where its minigroups are looked for. OFFSET 0 keeps the planner from reading all minigroups in
// the order of the list instead.
const (
	fromAll    = `minigroup`
	fromHost   = `(SELECT * FROM minigroup WHERE host = $6)`
	fromReady  = `(SELECT * FROM minigroup WHERE state = 'ready' AND closed_at IS NULL)`
	fromFailed = `(SELECT * FROM minigroup WHERE state = 'failed' AND closed_at IS NULL)`
	// There are few of these.
	fromCreating = `(SELECT * FROM minigroup
		WHERE audience = $1 AND state IN ('creating', 'undoing') AND closed_at IS NULL OFFSET 0)`
	fromScopes  = `(SELECT * FROM minigroup WHERE audience = $1 AND scope ~>=~ $7 AND scope ~<~ $8 OFFSET 0)`
	fromChanged = `(SELECT * FROM minigroup WHERE audience = $1 AND changed_at >= $11 OFFSET 0)`
	fromWindow  = `(SELECT * FROM minigroup
		WHERE during && tstzrange(to_timestamp($9::bigint), to_timestamp($10::bigint)) OFFSET 0)`
	fromRoom      = fromIDs + roomClasses + fromByID
	fromRequest   = fromIDs + requestClasses + fromByID
	fromAttention = fromIDs + attentionClasses + fromByID
	// LIMIT makes each minigroup a lookup by its key.
	fromIDs  = `(SELECT m.* FROM (SELECT DISTINCT class_id FROM (`
	fromByID = `) c) c CROSS JOIN LATERAL (SELECT * FROM minigroup WHERE id = c.class_id LIMIT 1) m OFFSET 0)`
)

// The classes that have or had the room $12, that the request $13 concerned, and that have an operation open for longer
// than $15. Of a request id that a client always sends, only the last entries count.
const (
	roomClasses = `
		SELECT class_id FROM room_attempt WHERE room_id = $12
		UNION ALL SELECT class_id FROM announced_room WHERE room_id = $12
		UNION ALL SELECT class_id FROM closed_room WHERE room_id = $12
		UNION ALL SELECT class_id FROM janus_reservation WHERE id = $12`
	requestClasses = `
		SELECT class_id FROM (
			SELECT class_id FROM minigroup_history WHERE by_whom->>'request_id' = $13
			ORDER BY by_whom->>'request_id' DESC, at DESC LIMIT ` + listBound + `) c`
	attentionClasses = `
		SELECT id AS class_id FROM minigroup
		WHERE state IN ('creating', 'undoing') AND changed_at < now() - $15::interval
		UNION ALL SELECT class_id FROM minigroup_update
		WHERE state IN ('requested', 'running') AND requested_at < now() - $15::interval`
)

// listQuery reads the page after ($2, $3) from a source. Besides the minigroups that match all filters it returns the
// last one that it may examine.
const listQuery = `SELECT ` + minigroupColumns + `, ` + shownUpdateColumns + `, m.changed_at,
	m.state IN ('creating', 'undoing') AND m.changed_at < now() - $15::interval OR EXISTS (
		SELECT FROM minigroup_update WHERE class_id = m.id AND state IN ('requested', 'running')
			AND requested_at < now() - $15::interval),
	m.matches, m.examined = ` + listBound + `
FROM (
	SELECT * FROM (
		SELECT m.*, row_number() OVER (ORDER BY created_at DESC, id DESC) AS examined,
			($5 = '' OR $5 = CASE WHEN state = 'failed' THEN 'failed' WHEN state <> 'ready' THEN 'creating'
				WHEN closed_at IS NOT NULL OR upper(during) <= now() THEN 'closed' ELSE 'real-time' END)
			AND ($6 = '' OR host = $6)
			AND ($7 = '' OR scope ~>=~ $7 AND scope ~<~ $8)
			AND during && tstzrange(to_timestamp($9::bigint), to_timestamp($10::bigint))
			AND ($11::timestamptz IS NULL OR changed_at >= $11)
			AND ($12::uuid IS NULL OR id IN (` + roomClasses + `))
			AND ($13 = '' OR id IN (` + requestClasses + `))
			AND (NOT $14 OR id IN (` + attentionClasses + `)) AS matches
		FROM (
			SELECT * FROM %s c
			WHERE audience = $1 AND (created_at, id) < (coalesce($2, 'infinity'::timestamptz), $3)
				AND created_at >= coalesce($4, '-infinity'::timestamptz)
			ORDER BY created_at DESC, id DESC LIMIT ` + listBound + `
		) m
	) m WHERE matches OR examined = ` + listBound + `
	ORDER BY created_at DESC, id DESC LIMIT $16
) m` + joinShownUpdate + `
ORDER BY m.created_at DESC, m.id DESC`

// ListMinigroups reads a page of at most limit minigroups that the filter selects; with after, those that follow it.
func (s *Store) ListMinigroups(
	ctx context.Context, f minigroup.ListFilter, after *minigroup.ListPosition, limit int,
) (page minigroup.ListPage, err error) {
	source, err := s.listSource(ctx, f)
	if err != nil {
		return page, err
	}
	var last minigroup.ListPosition
	var matches, isBound bool // of the last row
	scan := func(row pgx.CollectableRow) (m minigroup.ListedMinigroup, err error) {
		err = scanWithUpdate(row, &m.Minigroup, &m.ChangedAt, &m.NeedsAttention, &matches, &isBound)
		last = minigroup.ListPosition{CreatedAt: m.CreatedAt, ID: m.ID}
		return m, err
	}
	err = s.readByIndex(ctx, "list minigroups", func(rows pgx.Rows) (err error) {
		page.Minigroups, err = pgx.CollectRows(rows, scan)
		return err
	}, fmt.Sprintf(listQuery, source), append(listArgs(f, after), limit+1)...)
	if err != nil {
		return page, err
	}
	n := len(page.Minigroups)
	switch {
	case n > limit:
		page.Minigroups = page.Minigroups[:limit]
		end := page.Minigroups[limit-1]
		page.Next = &minigroup.ListPosition{CreatedAt: end.CreatedAt, ID: end.ID}
	case isBound:
		page.Next = &last
		if !matches {
			page.Minigroups = page.Minigroups[:n-1]
		}
	}
	return page, nil
}

func listArgs(f minigroup.ListFilter, after *minigroup.ListPosition) []any {
	var before *time.Time
	var id uuid.UUID
	if after != nil {
		before, id = &after.CreatedAt, after.ID
	}
	return []any{
		f.Audience, before, id, orNull(f.CreatedSince), f.Status, f.Host, f.ScopePrefix, afterPrefix(f.ScopePrefix),
		f.Time.Start, f.Time.End, orNull(f.ChangedSince), orNull(f.RoomID), f.RequestID, f.NeedsAttention, StuckAfter,
	}
}
