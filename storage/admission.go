package storage

import (
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// admission requests slots on a gateway, for a create or an update.
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

// forCreate requests the slots of a create.
func forCreate(run string, r minigroup.CreateRequest, group string, reservation uuid.UUID) admission {
	return admission{
		class: r.ID, run: run, slots: r.Slots(), during: slotsWindow(r.Time, time.Now()), group: group,
		reservation: reservation,
	}
}

// forUpdate requests the slots of an update. It requests none if the update gives the present ones back: those stay
// reserved until it commits.
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

// slotsWindow is the window of the slots of a class: one without a start has them from now on.
func slotsWindow(w minigroup.Window, now time.Time) minigroup.Window {
	if w.Start == nil {
		w.Start = new(now.Unix())
	}
	if w.End != nil && *w.End <= *w.Start {
		w.Start = new(*w.End - 1)
	}
	return w
}

// queue adds the admission to a batch, after the lock of the minigroup: first the admission lock, then the statement
// that reserves, which sees everything that was reserved before the lock was granted. reserved gets the id of the
// pending or held reservation of the class, if it has one. If the slots fit on no gateway, the batch fails with an
// error for capacityExceeded and is rolled back.
func (a admission) queue(batch *pgx.Batch, reserved *uuid.UUID) {
	except := a.except
	if except == nil {
		except = []string{}
	}
	wanted := []any{a.class, a.run, a.update, a.slots, a.during.Start, a.during.End}
	batch.Queue(lockAdmissionIfNeeded, wanted...)
	batch.Queue(reserve, append(wanted, a.group, except, a.reservation)...).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{reserved}, func() error { return nil })
		return err
	})
}

// slotsDuring is the window of the requested slots ($4).
const slotsDuring = `tstzrange(to_timestamp($5::bigint), to_timestamp($6::bigint))`

// needsSlots is the condition that the run carries out a create without a pending or held reservation, or an update
// whose class does not have exactly the requested slots.
const needsSlots = underWay + ` AND NOT EXISTS (
	SELECT FROM janus_reservation r WHERE r.class_id = m.id AND r.state IN ('pending', 'held')
		AND ($3::uuid IS NULL OR r.slots = $4::integer AND r.during = ` + slotsDuring + `))`

// admissionKey is the key of the advisory lock that serialises admissions, and changes of the gateways, until the end
// of their transactions. The number is "ADMI" in ASCII.
const admissionKey = 0x41444d49

var (
	lockAdmission         = `SELECT pg_advisory_xact_lock(` + strconv.Itoa(admissionKey) + `)`
	lockAdmissionIfNeeded = lockAdmission + ` FROM minigroup m WHERE ` + needsSlots
)

// eligibleGateways are the gateways that may get the class: its own if it has a reservation there, else all that are
// enabled and not draining, in the group ($7) and not excepted ($8).
const eligibleGateways = `ARRAY(
	SELECT b.id FROM janus_backend b
	LEFT JOIN janus_reservation own ON own.class_id = $1 AND own.state IN ('pending', 'held')
	WHERE CASE WHEN own.id IS NULL
		THEN b.enabled AND b.draining_since IS NULL AND $7 IN ('', b."group") AND NOT b.id = ANY($8::text[])
		ELSE b.id = own.backend_id END)`

// reserve inserts the requested reservation ($9). If the class has one, the new slots and window are written beside the
// present ones until the update is decided. Without needsSlots it neither admits nor fails, because Postgres evaluates
// the subquery only for a row to insert.
var reserve = `
	WITH reserved AS (
		INSERT INTO janus_reservation (id, class_id, backend_id, state, slots, during, fingerprint, update_id)
		SELECT $9, m.id, coalesce((` + admit + `), raise_capacity_exceeded(NULL)), 'pending', $4, ` + slotsDuring + `,
			m.fingerprint, $3
		FROM minigroup m WHERE ` + needsSlots + `
		ON CONFLICT (class_id) WHERE state IN ('pending', 'held')
		DO UPDATE SET next_slots = excluded.slots, next_during = excluded.during, changed_at = now()
		RETURNING id
	)
	SELECT id FROM reserved UNION
	SELECT id FROM janus_reservation WHERE class_id = $1 AND state IN ('pending', 'held')`

// admit chooses the fullest eligible gateway on which the slots fit at every moment of the window. One that is away
// is chosen only if they fit on no other. The slots that the class has already are never refused to it.
var admit = load(`$1::uuid`, slotsDuring, eligibleGateways) + `, verdict AS (
		SELECT id, bool_and(others + $4 <= capacity OR own >= $4) AS fits, min(capacity - others) AS free,
			bool_or(away) AS away
		FROM load GROUP BY id
	), best AS (
		SELECT id, fits, greatest(free, 0) AS free FROM verdict
		ORDER BY fits DESC, CASE WHEN fits THEN away END, CASE WHEN fits THEN free END, free DESC, id LIMIT 1
	)
	SELECT CASE WHEN fits THEN id ELSE raise_capacity_exceeded(free) END FROM best`

// load begins a query with the CTE load: the slots that are reserved on each gateway, at the beginning of a window and
// whenever a reservation begins or ends within it. The slots of the class itself are counted apart, as own. While an
// update is undecided, the greater of the present and the new slots counts. Beginnings and ends are added up in the
// order of time, so the cost depends on the number of reservations that overlap the window, not on its length.
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
		UNION ALL -- additional slots while both windows overlap
		SELECT backend_id, during * next_during, next_slots - slots, 0 FROM counted
		WHERE NOT mine AND next_slots > slots AND during && next_during
		UNION ALL -- new slots in the rest of the new window
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
