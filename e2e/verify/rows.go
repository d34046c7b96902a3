package verify

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// row is a minigroup in the ledger.
type row struct {
	id                                  uuid.UUID
	state                               minigroup.State
	closed, lockedChat, lockedQuestions bool
	event, conference                   *uuid.UUID
	reserve                             int32
	held                                []int32 // slots
	heldRooms                           int
	// start, end and host are what the last PATCH to conference set; nil if no PATCH set them.
	patched    bool
	start, end *int64
	host       *string
}

func (c Checker) readRows(ctx context.Context) ([]row, error) {
	rows, _ := c.DB.Query(ctx, `
		SELECT m.id, m.state, m.closed_at IS NOT NULL, m.locked_chat, m.locked_questions,
			m.event_room_id, m.conference_room_id, coalesce(m.reserve, 0),
			ARRAY(SELECT slots FROM janus_reservation r WHERE r.class_id = m.id AND r.state = 'held'),
			(SELECT count(*) FROM room_attempt a WHERE a.class_id = m.id AND a.state = 'held'),
			t.patch IS NOT NULL, (t.patch->'time'->>0)::bigint, (t.patch->'time'->>1)::bigint,
			(SELECT patch->>'host' FROM minigroup_update u
				WHERE u.class_id = m.id AND u.state = 'done' AND patch ? 'host' ORDER BY number DESC LIMIT 1)
		FROM minigroup m CROSS JOIN LATERAL (
			SELECT coalesce(max(decided_at), '-infinity') AS at FROM minigroup_update u
			WHERE u.class_id = m.id AND u.state = 'done' AND u.requested ? 'recreate'
		) recreated LEFT JOIN LATERAL (
			SELECT patch FROM minigroup_update u
			WHERE u.class_id = m.id AND u.state = 'done' AND u.decided_at > recreated.at AND patch ? 'time'
			ORDER BY number DESC LIMIT 1
		) t ON true`) // CollectRows returns its error
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (m row, err error) {
		return m, r.Scan(&m.id, &m.state, &m.closed, &m.lockedChat, &m.lockedQuestions, &m.event, &m.conference,
			&m.reserve, &m.held, &m.heldRooms, &m.patched, &m.start, &m.end, &m.host)
	})
}

// check checks what the ledger alone shows.
func (m row) check(f *Findings) {
	switch {
	case m.state == minigroup.Ready && m.closed:
		f.Closed++
		if len(m.held) > 0 {
			f.AddViolation("class %s is closed and holds slots %v", m.id, m.held)
		}
	case m.state == minigroup.Ready:
		f.Ready++
		if m.heldRooms != 2 {
			f.AddViolation("class %s is ready and holds %d rooms", m.id, m.heldRooms)
		}
		if (m.reserve > 0) != (len(m.held) == 1) || (m.reserve > 0 && m.held[0] != m.reserve) {
			f.AddViolation("class %s reserves %d and holds %v", m.id, m.reserve, m.held)
		}
	case m.state == minigroup.Failed:
		f.Failed++
		if m.heldRooms+len(m.held) != 0 {
			f.AddViolation("class %s has failed and holds %d rooms and slots %v", m.id, m.heldRooms, m.held)
		}
	default:
		f.AddViolation("class %s is %s", m.id, m.state)
	}
}

// checkTotals checks that no gateway is overbooked, and counts the lost attempts.
func (c Checker) checkTotals(ctx context.Context, f *Findings) error {
	rows, _ := c.DB.Query(ctx, `
		SELECT r.backend_id||' holds '||sum(r.slots)||' slots at '||at.at
		FROM (SELECT DISTINCT lower(during) AS at FROM janus_reservation) at
		JOIN janus_reservation r ON r.state <> 'released' AND r.during @> at.at
		JOIN janus_backend b ON b.id = r.backend_id
		GROUP BY r.backend_id, b.capacity, at.at HAVING sum(r.slots) > b.capacity`) // CollectRows returns its error
	over, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	f.Violations = append(f.Violations, over...)
	const lost = `SELECT count(*) FROM room_attempt WHERE state = 'lost' AND resolution IS NULL`
	return c.DB.QueryRow(ctx, lost).Scan(&f.Lost)
}
