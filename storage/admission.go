package storage

import (
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// admission asks for slots on a gateway, on behalf of a create or an update that is under way.
type admission struct {
	class uuid.UUID
	run   string
	// update is nil for a create.
	update *uuid.UUID
	slots  int32
	during minigroup.Window
	// group restricts the gateways; empty: any.
	group string
	// except names gateways that are not eligible.
	except []string
	// reservation is the id of a new reservation.
	reservation uuid.UUID
}

// forCreate asks for the slots of a create.
func forCreate(run string, r minigroup.CreateRequest, group string, reservation uuid.UUID) admission {
	return admission{
		class: r.ID, run: run, slots: r.Slots(), during: slotsWindow(r.Time, time.Now()), group: group,
		reservation: reservation,
	}
}

// forUpdate asks for the slots of an update: none where it gives up those that the class has, which stay until it
// commits.
func forUpdate(u minigroup.UpdateEntry) admission {
	a := admission{
		class: u.ClassID, run: u.Run, update: &u.ID, during: slotsWindow(u.Plan.Time, time.Now()), group: u.Group,
		reservation: u.Reservation,
	}
	if u.Gateways && !u.Plan.Ends && u.Plan.Reserve != nil {
		a.slots = *u.Plan.Reserve
	}
	return a
}

// slotsWindow is the window for which slots are reserved: a class without a start has them from now on.
func slotsWindow(w minigroup.Window, now time.Time) minigroup.Window {
	if w.Start == nil {
		w.Start = new(now.Unix())
	}
	if w.End != nil && *w.End <= *w.Start {
		w.Start = new(*w.End - 1)
	}
	return w
}

// queue adds the admission to a batch that has locked the class: first the lock, then the statement that reserves,
// which sees everything that was reserved before the lock was granted. The id of the class's live reservation goes to
// reserved, if there is one. If the slots fit on no gateway, the batch fails with an error for capacityExceeded, and
// nothing of it is kept.
func (a admission) queue(batch *pgx.Batch, reserved *uuid.UUID) {
	except := a.except
	if except == nil {
		except = []string{}
	}
	wanted := []any{a.class, a.run, a.update, a.slots, a.during.Start, a.during.End}
	batch.Queue(lockAdmissionFor, wanted...)
	batch.Queue(reserve, append(wanted, a.group, except, a.reservation)...).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{reserved}, func() error { return nil })
		return err
	})
}

// underWay is the condition that the run $2 owns the class m ($1) and carries out its create, or the update $3 where
// that is not null.
const underWay = `m.id = $1 AND m.owner = $2 AND CASE WHEN $3::uuid IS NULL THEN m.state = 'creating' ELSE EXISTS (
	SELECT FROM minigroup_update u WHERE u.id = $3 AND u.class_id = m.id AND u.state = 'running' AND u.run = $2) END`

// slotsDuring is the window of the slots ($4) that are wanted.
const slotsDuring = `tstzrange(to_timestamp($5::bigint), to_timestamp($6::bigint))`

// wantsSlots is the condition that a create has no live reservation yet, and an update not exactly the one it wants.
const wantsSlots = underWay + ` AND NOT EXISTS (
	SELECT FROM janus_reservation r WHERE r.class_id = m.id AND r.state IN ('pending', 'held')
		AND ($3::uuid IS NULL OR r.slots = $4::integer AND r.during = ` + slotsDuring + `))`

// admissionKey is the advisory lock that makes admissions, and changes of the gateways they choose from, wait for each
// other until the end of their transactions. Whoever locks a class as well locks that first. The number is "ADMI".
const admissionKey = 0x41444d49

var (
	lockAdmission    = `SELECT pg_advisory_xact_lock(` + strconv.Itoa(admissionKey) + `)`
	lockAdmissionFor = lockAdmission + ` FROM minigroup m WHERE ` + wantsSlots
)

// eligibleGateways are those that may take the class: its own where it has a live reservation, else all that are
// enabled and not draining, in the group ($7) and not excepted ($8).
const eligibleGateways = `ARRAY(
	SELECT b.id FROM janus_backend b
	LEFT JOIN janus_reservation own ON own.class_id = $1 AND own.state IN ('pending', 'held')
	WHERE CASE WHEN own.id IS NULL
		THEN b.enabled AND b.draining_since IS NULL AND $7 IN ('', b."group") AND NOT b.id = ANY($8::text[])
		ELSE b.id = own.backend_id END)`

// reserve writes the reservation that is wanted, on the fullest gateway on which the slots fit at every moment of the
// window; one that does not answer is chosen only where they fit on no other. Where an update's class has a live
// reservation, the new slots and window go beside the old until the update is decided. Nothing is admitted, nor is an
// error raised, where no slots are wanted: Postgres evaluates the subquery only for a row to insert.
var reserve = `
	WITH reserved AS (
		INSERT INTO janus_reservation (id, class_id, backend_id, state, slots, during, fingerprint, update_id)
		SELECT $9, m.id, coalesce((` + admit + `), raise_capacity_exceeded(NULL)), 'pending', $4, ` + slotsDuring + `,
			m.fingerprint, $3
		FROM minigroup m WHERE ` + wantsSlots + `
		ON CONFLICT (class_id) WHERE state IN ('pending', 'held')
		DO UPDATE SET next_slots = excluded.slots, next_during = excluded.during, changed_at = now()
		RETURNING id
	)
	SELECT id FROM reserved UNION
	SELECT id FROM janus_reservation WHERE class_id = $1 AND state IN ('pending', 'held')`

var admit = load(`$1::uuid`, slotsDuring, eligibleGateways) + `, verdict AS (
		SELECT id, bool_and(others + $4 <= capacity OR own >= $4) AS fits, min(capacity - others) AS free,
			bool_or(away) AS away
		FROM load GROUP BY id
	), best AS (
		SELECT id, fits, greatest(free, 0) AS free FROM verdict
		ORDER BY fits DESC, CASE WHEN fits THEN away END, CASE WHEN fits THEN free END, free DESC, id LIMIT 1
	)
	SELECT CASE WHEN fits THEN id ELSE raise_capacity_exceeded(free) END FROM best`

// load begins a query with the CTE load: the slots that are reserved on each of the gateways at the moments of a window
// that matter, which are its beginning and whenever a reservation begins or ends. What the class itself has is counted
// apart, as own. While an update is undecided, the greater of a reservation's old and new slots counts. It adds up what
// comes and goes in the order of time, so that a window costs no more than the reservations that overlap it.
func load(class, during, gateways string) string {
	return fmt.Sprintf(`
	WITH wanted AS (
		SELECT %s AS class, %s AS during, %s AS gateways
	), counted AS (
		SELECT r.*, r.class_id = w.class AND r.state <> 'releasing' AS mine
		FROM wanted w JOIN janus_reservation r ON r.during && w.during
		WHERE r.state <> 'released' AND r.backend_id = ANY(w.gateways)
		UNION
		SELECT r.*, r.class_id = w.class AND r.state <> 'releasing'
		FROM wanted w JOIN janus_reservation r ON r.next_during && w.during
		WHERE r.state <> 'released' AND r.next_during IS NOT NULL AND r.backend_id = ANY(w.gateways)
	), taken (backend_id, during, others, own) AS (
		SELECT backend_id, during, CASE WHEN mine THEN 0 ELSE slots END, CASE WHEN mine THEN slots ELSE 0 END FROM counted
		UNION ALL -- more slots in the time that old and new have in common
		SELECT backend_id, during * next_during, next_slots - slots, 0 FROM counted
		WHERE NOT mine AND next_slots > slots AND during && next_during
		UNION ALL -- new slots in the rest of the new time
		SELECT backend_id, later, next_slots, 0
		FROM counted, unnest(tstzmultirange(next_during) - tstzmultirange(during)) later
		WHERE NOT mine AND next_during IS NOT NULL
	), change (backend_id, at, others, own) AS (
		SELECT gateway, lower(during), 0, 0 FROM wanted, unnest(gateways) gateway
		UNION ALL
		SELECT t.backend_id, greatest(lower(t.during), lower(w.during)), t.others, t.own
		FROM taken t JOIN wanted w ON t.during && w.during
		UNION ALL
		SELECT t.backend_id, upper(t.during), -t.others, -t.own
		FROM taken t JOIN wanted w ON t.during && w.during AND w.during @> upper(t.during)
	), load AS (
		SELECT b.id, coalesce(b.balancer_capacity, b.capacity, 2147483647)::bigint AS capacity,
			sum(c.others) OVER until AS others, sum(c.own) OVER until AS own, b.away_since IS NOT NULL AS away
		FROM change c JOIN janus_backend b ON b.id = c.backend_id
		WINDOW until AS (PARTITION BY c.backend_id ORDER BY c.at)
	)`, class, during, gateways)
}
