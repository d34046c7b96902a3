package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// Gauges counts the open and waiting work in the ledger.
type Gauges struct {
	// Sagas has an entry for each operation and each state in which its saga is open, also where there is none.
	Sagas map[SagaState]OpenSagas
	// Failed is the number of failed minigroups.
	Failed int64
	// PendingClose are the rooms that must be closed, by kind.
	PendingClose map[minigroup.RoomKind]Waiting
	// Lost is the number of lost attempts that are not resolved, by kind.
	Lost map[minigroup.RoomKind]int64
	// Outbox are the events that are to be published.
	Outbox Waiting
	// Gateways has an entry for each gateway, by its id.
	Gateways map[string]GatewayGauges
}

// SagaState is an operation (create, update, recreate) and a state in which it is undecided. A repair is an update.
type SagaState struct{ Operation, State string }

// OpenSagas counts undecided sagas. Stuck counts those that have been open for longer than StuckAfter.
type OpenSagas struct {
	Count, Stuck int64
	// Oldest is the age of the oldest; 0 if there is none.
	Oldest time.Duration
}

// StuckAfter is how long a saga may be open before it counts as stuck.
const StuckAfter = 2 * time.Minute

// Waiting is a number of records, and how long the oldest has waited; 0 if there is none.
type Waiting struct {
	Count  int64
	Oldest time.Duration
}

// GatewayGauges is the load and the state of a gateway.
type GatewayGauges struct {
	// Capacity is the number of slots up to which classes are placed; nil: unlimited.
	Capacity *int64
	// Reserved is the number of slots that count now.
	Reserved int64
	// Away says that the gateway does not answer, or answers wrongly; Unfit, that it answers wrongly.
	Away, Unfit bool
	// Open says that the gateway gets new classes; Draining, that an operator keeps them away. If neither is set, the
	// gateway is not configured any more.
	Open, Draining bool
}

const openSagaGauges = `
	SELECT operation, state, count(*), count(*) FILTER (WHERE since < now() - $1::interval), now() - min(since)
	FROM (
		SELECT 'create' AS operation, state, changed_at AS since FROM minigroup WHERE state IN ('creating', 'undoing')
		UNION ALL
		SELECT CASE WHEN requested ? 'recreate' THEN 'recreate' ELSE 'update' END, state, requested_at
		FROM minigroup_update WHERE state IN ('requested', 'running')
	) saga GROUP BY operation, state`

const pendingCloseGauges = `
	SELECT kind, count(*), now() - min(changed_at)
	FROM (
		SELECT kind, changed_at FROM room_attempt WHERE state = 'releasing' AND room_id IS NOT NULL
		UNION ALL
		SELECT kind, changed_at FROM announced_room WHERE state = 'releasing'
	) room GROUP BY kind`

// gatewayGauges counts the greater of the present and the new slots of a reservation with an undecided update.
const gatewayGauges = `
	SELECT b.id, coalesce(b.balancer_capacity, b.capacity)::bigint, coalesce(sum(greatest(
			CASE WHEN r.during @> now() THEN r.slots ELSE 0 END,
			CASE WHEN r.next_during @> now() THEN r.next_slots ELSE 0 END)), 0)::bigint,
		b.away_since IS NOT NULL, b.unfit, b.enabled AND b.draining_since IS NULL, b.enabled AND b.draining_since IS NOT NULL
	FROM janus_backend b LEFT JOIN janus_reservation r
		ON r.backend_id = b.id AND r.state <> 'released' AND (r.during @> now() OR r.next_during @> now())
	GROUP BY b.id`

// Gauges reads all gauges in one round trip. Partial indexes keep each query as small as what it counts.
func (s *Store) Gauges(ctx context.Context) (Gauges, error) {
	g := zeroGauges()
	var batch pgx.Batch
	var saga SagaState
	var open OpenSagas
	queueEach(&batch, openSagaGauges, []any{StuckAfter},
		[]any{&saga.Operation, &saga.State, &open.Count, &open.Stuck, &open.Oldest}, func() { g.Sagas[saga] = open })
	var closing minigroup.RoomKind
	var waiting Waiting
	queueEach(&batch, pendingCloseGauges, nil,
		[]any{&closing, &waiting.Count, &waiting.Oldest}, func() { g.PendingClose[closing] = waiting })
	var lost minigroup.RoomKind
	var n int64
	queueEach(&batch, `
		SELECT kind, count(*) FROM room_attempt WHERE state = 'lost' AND resolution IS NULL GROUP BY kind`, nil,
		[]any{&lost, &n}, func() { g.Lost[lost] = n })
	var gateway string
	var b GatewayGauges
	queueEach(&batch, gatewayGauges, nil,
		[]any{&gateway, &b.Capacity, &b.Reserved, &b.Away, &b.Unfit, &b.Open, &b.Draining},
		func() { g.Gateways[gateway] = b })
	queueEach(&batch, `SELECT count(*) FROM minigroup WHERE state = 'failed'`, nil, []any{&g.Failed}, func() {})
	queueEach(&batch, `SELECT count(*), coalesce(now() - min(written_at), interval '0') FROM outbox`, nil,
		[]any{&g.Outbox.Count, &g.Outbox.Oldest}, func() {})
	if err := s.pool.SendBatch(ctx, &batch).Close(); err != nil {
		return Gauges{}, fmt.Errorf("read gauges: %w", err)
	}
	return g, nil
}

// zeroGauges has every entry that is always there.
func zeroGauges() Gauges {
	g := Gauges{
		Sagas:        map[SagaState]OpenSagas{},
		PendingClose: map[minigroup.RoomKind]Waiting{minigroup.EventRoom: {}, minigroup.ConferenceRoom: {}},
		Lost:         map[minigroup.RoomKind]int64{minigroup.EventRoom: 0, minigroup.ConferenceRoom: 0},
		Gateways:     map[string]GatewayGauges{},
	}
	for operation, states := range map[string][]string{
		"create": {"creating", "undoing"}, "update": {"requested", "running"}, "recreate": {"requested", "running"},
	} {
		for _, state := range states {
			g.Sagas[SagaState{operation, state}] = OpenSagas{}
		}
	}
	return g
}

// queueEach adds a query whose rows are scanned into the targets, one after the other, and followed by a call of take.
func queueEach(batch *pgx.Batch, sql string, args, targets []any, take func()) {
	batch.Queue(sql, args...).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, targets, func() error {
			take()
			return nil
		})
		return err
	})
}
