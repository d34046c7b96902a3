package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// SyncBackends makes the table of gateways equal to the configured ones. A gateway that is configured no more takes no
// new reservations and keeps those it has. One that is being drained goes on being drained.
func (s *Store) SyncBackends(ctx context.Context, backends []minigroup.Backend) error {
	return s.inTx(ctx, "sync backends", func(tx pgx.Tx) error {
		ids := make([]string, 0, len(backends))
		for _, b := range backends {
			ids = append(ids, b.ID)
			_, err := tx.Exec(ctx, `
				INSERT INTO janus_backend (id, "group", enabled, capacity, balancer_capacity, admin_url, janus_url)
				VALUES ($1, $2, true, $3, $4, $5, $6)
				ON CONFLICT (id) DO UPDATE SET "group" = $2, enabled = true, capacity = $3, balancer_capacity = $4, admin_url = $5, janus_url = $6`,
				b.ID, b.Group, b.Capacity, b.BalancerCapacity, b.AdminURL, b.JanusURL)
			if err != nil {
				return fmt.Errorf("backend %s: %w", b.ID, err)
			}
		}
		_, err := tx.Exec(ctx, `UPDATE janus_backend SET enabled = false WHERE enabled AND NOT id = ANY($1)`, ids)
		return err
	})
}

// admission asks where slots fit.
type admission struct {
	group string
	// except names backends that will not do.
	except []string
	slots  int32
	during minigroup.Window
	// class is whose slots they are. Where it has a live reservation no other backend will do, and what it has is not refused to it.
	class uuid.UUID
}

// args are the first arguments of every statement of an admission, and what follows them.
func (a admission) args(more ...any) []any {
	return append([]any{a.during.Start, a.during.End, a.class, a.slots}, more...)
}

// unchanged is the condition that a reservation is what is wanted already.
const unchanged = `slots = $4 AND during = tstzrange(to_timestamp($1::bigint), to_timestamp($2::bigint))`

// lockBackends makes admissions on the same gateways wait for each other, and tells the statements that follow in its
// transaction which those are: none where the class ($3) has what it wants. Always in the order of ids. A gateway that is being
// drained takes only what its own classes want more.
const lockBackends = `
	SELECT set_config('minigroups.gateways', coalesce(array_agg(id), '{}')::text, true) FROM (
		SELECT b.id FROM janus_backend b
		LEFT JOIN janus_reservation own ON own.class_id = $3 AND own.state IN ('pending', 'held')
		WHERE CASE WHEN own.id IS NULL THEN enabled AND draining_since IS NULL AND ($5 = '' OR "group" = $5) AND NOT b.id = ANY($6)
			ELSE b.id = own.backend_id AND NOT (` + unchanged + `) END
		ORDER BY b.id FOR NO KEY UPDATE OF b) locked`

// Gateways whose load is asked for.
const (
	lockedGateways = `current_setting('minigroups.gateways')::text[]`
	allGateways    = `(SELECT array_agg(id) FROM janus_backend)`
)

// load begins a query of gateways and tells how many slots of each are reserved at those moments of a window ($1, $2) that
// matter: its beginning, and whenever a reservation begins or ends. What the class ($3) has itself is told apart. While an
// update is undecided, the greater of a reservation's old and new slots counts. It adds up what comes and goes in the order of
// time, so that a busy hour costs no more than the reservations that it has.
func load(gateways string) string {
	return `
	WITH wanted AS (
		SELECT tstzrange(to_timestamp($1::bigint), to_timestamp($2::bigint)) AS during, ` + gateways + ` AS gateways
	), counted AS (
		SELECT r.*, r.class_id = $3 AND r.state <> 'releasing' AS mine FROM wanted w JOIN janus_reservation r ON r.during && w.during
		WHERE r.state <> 'released' AND r.backend_id = ANY(w.gateways)
		UNION
		SELECT r.*, r.class_id = $3 AND r.state <> 'releasing' FROM wanted w JOIN janus_reservation r ON r.next_during && w.during
		WHERE r.state <> 'released' AND r.next_during IS NOT NULL AND r.backend_id = ANY(w.gateways)
	), taken (backend_id, during, others, own) AS (
		SELECT backend_id, during, CASE WHEN mine THEN 0 ELSE slots END, CASE WHEN mine THEN slots ELSE 0 END FROM counted
		UNION ALL
		SELECT backend_id, during * next_during, next_slots - slots, 0 FROM counted
		WHERE NOT mine AND next_slots > slots AND during && next_during
		UNION ALL
		SELECT backend_id, later, next_slots, 0 FROM counted, unnest(tstzmultirange(next_during) - tstzmultirange(during)) later
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
		SELECT b.id, coalesce(b.balancer_capacity, b.capacity, 2147483647)::bigint AS line,
			sum(c.others) OVER until AS others, sum(c.own) OVER until AS own, b.away_since IS NOT NULL AS away
		FROM change c JOIN janus_backend b ON b.id = c.backend_id
		WINDOW until AS (PARTITION BY c.backend_id ORDER BY c.at)
	)`
}

// admit finds, among the locked gateways, the fullest one on which the slots ($4) fit at every moment of the window, one that
// does not answer only where they fit on no other.
var admit = load(lockedGateways) + `, verdict AS (
		SELECT id, bool_and(others + $4 <= line OR own >= $4) AS fits, min(line - others) AS free, bool_or(away) AS away
		FROM load GROUP BY id
	)
	SELECT id, fits, greatest(free, 0) AS free FROM verdict
	ORDER BY fits DESC, CASE WHEN fits THEN away END, CASE WHEN fits THEN free END, free DESC, id LIMIT 1`

// queueLock locks the gateways that will do when the batch is sent.
func (a admission) queueLock(batch *pgx.Batch) {
	except := a.except
	if except == nil {
		except = []string{}
	}
	batch.Queue(lockBackends, a.args(a.group, except)...)
}

// verdict reads what admit has found, and returns CapacityExceeded where the slots do not fit.
func (a admission) verdict(row pgx.Row) error {
	var gateway string
	var fits bool
	var free int64
	err := row.Scan(&gateway, &fits, &free)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return minigroup.Errorf(minigroup.CapacityExceeded, "no gateway is there to reserve %d slots on", a.slots)
	case err != nil:
		return fmt.Errorf("admit slots: %w", err)
	case !fits:
		return minigroup.Errorf(minigroup.CapacityExceeded, "no gateway has %d slots free for all of the class; the most that is free is %d", a.slots, free)
	}
	return nil
}

// decide locks the gateways and admits the slots by a statement that begins with admit, or returns CapacityExceeded. The gateways
// stay locked until the transaction ends, so that no two admissions are given the same slots.
func (a admission) decide(ctx context.Context, tx pgx.Tx, admit string, more ...any) error {
	var batch pgx.Batch
	a.queueLock(&batch)
	batch.Queue(admit, a.args(more...)...).QueryRow(a.verdict)
	return tx.SendBatch(ctx, &batch).Close()
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

// forRequest asks for the slots of a create.
func forRequest(r minigroup.CreateRequest, group string) admission {
	return admission{group: group, slots: r.Slots(), during: slotsWindow(r.Time, time.Now()), class: r.ID}
}

// reserveForCreate keeps the reservation that an earlier run of the same draft has made, or makes one.
func reserveForCreate(ctx context.Context, tx pgx.Tx, c minigroup.CreateEntry) (uuid.UUID, error) {
	var id uuid.UUID
	err := tx.QueryRow(ctx, `SELECT id FROM janus_reservation WHERE class_id = $1 AND state IN ('pending', 'held')`, c.ID).Scan(&id)
	if err == nil || !errors.Is(err, pgx.ErrNoRows) {
		return id, err
	}
	return c.Reservation, reserve(ctx, tx, c.Reservation, nil, forRequest(c.CreateRequest, c.Group))
}

// putBeside ends a statement that inserts a reservation: where the class has a live one, what is wanted is put beside what it has.
const putBeside = `
	ON CONFLICT (class_id) WHERE state IN ('pending', 'held')
	DO UPDATE SET next_slots = excluded.slots, next_during = excluded.during, changed_at = now()`

// admitAndReserve writes the reservation where admit has found a gateway on which it fits.
var admitAndReserve = `
	WITH best AS (` + admit + `
	), reserved AS (
		INSERT INTO janus_reservation (id, class_id, backend_id, state, slots, during, fingerprint, update_id)
		SELECT $5, m.id, best.id, 'pending', $4, tstzrange(to_timestamp($1::bigint), to_timestamp($2::bigint)), m.fingerprint, $6
		FROM best, minigroup m WHERE m.id = $3 AND best.fits` + putBeside + `
	)
	SELECT id, fits, free FROM best`

// reserve admits the slots and writes the reservation for the draft that the class is created from.
func reserve(ctx context.Context, tx pgx.Tx, id uuid.UUID, update *uuid.UUID, a admission) error {
	return a.decide(ctx, tx, admitAndReserve, id, update)
}

// forUpdate asks for the slots of an update: none where it gives up those that the class has, which stay until it commits.
func forUpdate(u minigroup.UpdateEntry) admission {
	a := admission{group: u.Group, during: slotsWindow(u.Plan.Time, time.Now()), class: u.ClassID}
	if u.Gateways && !u.Plan.Ends && u.Plan.Reserve != nil {
		a.slots = *u.Plan.Reserve
	}
	return a
}

// reserveForUpdate puts the new slots and window beside the old ones.
func reserveForUpdate(ctx context.Context, tx pgx.Tx, u minigroup.UpdateEntry) error {
	want := forUpdate(u)
	if want.slots == 0 {
		return nil
	}
	var same bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (`+reservedAlready+`)`, want.args()...).Scan(&same)
	if err != nil || same {
		return wrap("read reservation", err)
	}
	return reserve(ctx, tx, u.Reservation, &u.ID, want)
}

// reservedAlready finds the reservation of a class that has what it wants.
const reservedAlready = `SELECT FROM janus_reservation WHERE class_id = $3 AND state IN ('pending', 'held') AND ` + unchanged

// bestOrNone is the gateway that admit has found, and NULL where the slots fit on none. There is no reservation without one: then
// the statement that writes it fails, and everything with it.
var bestOrNone = `(SELECT id FROM (` + admit + `) best WHERE fits)`

// reserveFresh writes the reservation of a class that was just made with this attempt ($6), and nothing where it was not.
var reserveFresh = `
	INSERT INTO janus_reservation (id, class_id, backend_id, state, slots, during, fingerprint)
	SELECT $5, a.class_id, ` + bestOrNone + `, 'pending', $4,
		tstzrange(to_timestamp($1::bigint), to_timestamp($2::bigint)), a.fingerprint
	FROM room_attempt a WHERE a.id = $6`

// queueFresh locks the gateways and reserves by reserveFresh when the batch is sent.
func (a admission) queueFresh(batch *pgx.Batch, c minigroup.CreateEntry) {
	a.queueLock(batch)
	batch.Queue(reserveFresh, a.args(c.Reservation, c.EventAttempt)...)
}

// reserveBegun writes what the update ($6) of the run ($7) wants that was just begun, and nothing where it was not or where the
// class has that already.
var reserveBegun = `
	INSERT INTO janus_reservation (id, class_id, backend_id, state, slots, during, fingerprint, update_id)
	SELECT $5, m.id, ` + bestOrNone + `, 'pending', $4,
		tstzrange(to_timestamp($1::bigint), to_timestamp($2::bigint)), m.fingerprint, u.id
	FROM minigroup m JOIN minigroup_update u ON u.class_id = m.id
	WHERE m.id = $3 AND u.id = $6 AND u.state = 'running' AND u.run = $7 AND NOT EXISTS (` + reservedAlready + `)` + putBeside

// MoveReservation gives up the pending reservation of a create, whose gateway does not answer, and reserves the same on
// another gateway under the fresh id. It returns CapacityExceeded, and changes nothing, where it fits on no other, and
// *minigroup.SupersededError where the run does not own a creating row any more. Done twice it does the same once.
func (s *Store) MoveReservation(ctx context.Context, run string, request minigroup.CreateRequest, from, to uuid.UUID, group string) error {
	return s.inTx(ctx, "move reservation", func(tx pgx.Tx) error {
		row, err := lockRow(ctx, tx, request.ID)
		if err != nil {
			return err
		}
		if err := row.demand(run, minigroup.Creating); err != nil {
			return err
		}
		var moved bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM janus_reservation WHERE id = $1)`, to).Scan(&moved); err != nil || moved {
			return err
		}
		var given []string // gateways that this class has given up already
		err = tx.QueryRow(ctx, `
			SELECT array_agg(DISTINCT backend_id) FROM janus_reservation
			WHERE class_id = $1 AND (id = $2 OR state = 'releasing')`, request.ID, from).Scan(&given)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE janus_reservation SET state = 'releasing', changed_at = now() WHERE id = $1 AND state IN ('pending', 'held')`, from)
		if err != nil {
			return err
		}
		a := forRequest(request, group)
		a.except = given
		return reserve(ctx, tx, to, nil, a)
	})
}

// reservations reads reservations with their gateways; the rest of the query follows.
const reservations = `
	SELECT r.id, r.class_id, r.slots, r.state, r.doubtful, b.id, b.admin_url, b.janus_url, b."group", b.capacity, b.balancer_capacity
	FROM janus_reservation r JOIN janus_backend b ON b.id = r.backend_id `

func scanReservation(row pgx.CollectableRow) (r minigroup.Reservation, err error) {
	b := &r.Backend
	return r, row.Scan(&r.ID, &r.ClassID, &r.Slots, &r.State, &r.Doubtful, &b.ID, &b.AdminURL, &b.JanusURL, &b.Group, &b.Capacity, &b.BalancerCapacity)
}

// Reservation reads a reservation and its gateway.
func (s *Store) Reservation(ctx context.Context, id uuid.UUID) (minigroup.Reservation, error) {
	rows, _ := s.pool.Query(ctx, reservations+`WHERE r.id = $1`, id) // its error is also that of the rows
	r, err := pgx.CollectExactlyOneRow(rows, scanReservation)
	if err != nil {
		return r, fmt.Errorf("read reservation: %w", err)
	}
	return r, nil
}

// OpenReservations lists the reservations of a class that are not released.
func (s *Store) OpenReservations(ctx context.Context, classID uuid.UUID) ([]minigroup.Reservation, error) {
	return list(ctx, s.pool, "read reservations", scanReservation,
		reservations+`WHERE r.class_id = $1 AND r.state <> 'released' ORDER BY r.created_at`, classID)
}

func releasingReservations(ctx context.Context, tx pgx.Tx, classID uuid.UUID) ([]uuid.UUID, error) {
	return list(ctx, tx, "list reservations", pgx.RowTo[uuid.UUID],
		`SELECT id FROM janus_reservation WHERE class_id = $1 AND state = 'releasing' ORDER BY created_at`, classID)
}

// ReservationHeld notes that the gateway has the room. It returns *minigroup.SupersededError where the reservation was
// given up meanwhile: then the room has to go again.
func (s *Store) ReservationHeld(ctx context.Context, id uuid.UUID) error {
	tag, err := s.pool.Exec(ctx, `
		UPDATE janus_reservation SET state = 'held', changed_at = now() WHERE id = $1 AND state IN ('pending', 'held')`, id)
	if err != nil {
		return fmt.Errorf("hold reservation: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return minigroup.Supersededf("reservation %s was given up", id)
	}
	return nil
}

// ReservationDoubtful notes that a request for this reservation went unanswered and may still be executed.
func (s *Store) ReservationDoubtful(ctx context.Context, id uuid.UUID) error {
	return s.exec(ctx, "doubt reservation", `UPDATE janus_reservation SET doubtful = true, changed_at = now() WHERE id = $1 AND NOT doubtful`, id)
}

// ReservationReleased notes that the gateway has no room for a reservation that was given up. Its slots are free from
// here on. Done twice it does the same once.
func (s *Store) ReservationReleased(ctx context.Context, id uuid.UUID) error {
	return s.exec(ctx, "release reservation", `
		UPDATE janus_reservation SET state = 'released', changed_at = now() WHERE id = $1 AND state = 'releasing'`, id)
}
