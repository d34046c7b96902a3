package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// Gauges is what the ledger shows at one moment of work under way and work that waits.
type Gauges struct {
	// Sagas has an entry for each operation and state in which a saga can be open, also where none is.
	Sagas map[SagaState]OpenSagas
	// Failed counts the minigroups that are failed.
	Failed int64
	// Condemned are the rooms that wait to be closed.
	PendingClose map[minigroup.RoomKind]Waiting
	// Lost counts the attempts that were never answered and of which it is open what became.
	Lost map[minigroup.RoomKind]int64
	// Outbox is what waits to be announced.
	Outbox Waiting
	// Gateways has an entry for each gateway, by its id.
	Gateways map[string]GatewayGauges
}

// SagaState is an operation (create, update, recreate) and a state in which it is not decided.
type SagaState struct{ Operation, State string }

// OpenSagas are the sagas that are not decided. Stuck are those for longer than StuckAfter.
type OpenSagas struct {
	Count, Stuck int64
	Oldest       time.Duration
}

// StuckAfter is how long a saga may be open before it counts as stuck: by then it has tried for two minutes in a row.
const StuckAfter = 2 * time.Minute

// Waiting is a number of things, and for how long the oldest has waited; 0 where there is none.
type Waiting struct {
	Count  int64
	Oldest time.Duration
}

// GatewayGauges is how full a gateway is.
type GatewayGauges struct {
	// Capacity is up to how many slots it is filled; nil: unlimited.
	Capacity *int64
	// Reserved are the slots that count now.
	Reserved int64
	// Away: it did not answer the last sweep. Open: it takes new classes. Draining: it does not, because an operator wants it
	// empty. One that is neither is not configured any more.
	Away, Open, Draining bool
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

// While an update is undecided, the greater of a reservation's old and new slots counts.
const gatewayGauges = `
	SELECT b.id, coalesce(b.balancer_capacity, b.capacity)::bigint, coalesce(sum(greatest(
			CASE WHEN r.during @> now() THEN r.slots ELSE 0 END,
			CASE WHEN r.next_during @> now() THEN r.next_slots ELSE 0 END)), 0)::bigint,
		b.away_since IS NOT NULL, b.enabled AND b.draining_since IS NULL, b.enabled AND b.draining_since IS NOT NULL
	FROM janus_backend b LEFT JOIN janus_reservation r ON r.backend_id = b.id AND r.state <> 'released' AND (r.during @> now() OR r.next_during @> now())
	GROUP BY b.id`

// Gauges reads all of them in one round trip. Partial indexes keep each query as small as what it counts.
func (s *Store) Gauges(ctx context.Context) (Gauges, error) {
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
	var batch pgx.Batch
	batch.Queue(openSagaGauges, StuckAfter).Query(func(rows pgx.Rows) error {
		var key SagaState
		var o OpenSagas
		return each(rows, []any{&key.Operation, &key.State, &o.Count, &o.Stuck, &o.Oldest}, func() { g.Sagas[key] = o })
	})
	batch.Queue(`SELECT count(*) FROM minigroup WHERE state = 'failed'`).QueryRow(func(row pgx.Row) error { return row.Scan(&g.Failed) })
	batch.Queue(pendingCloseGauges).Query(func(rows pgx.Rows) error {
		var kind minigroup.RoomKind
		var w Waiting
		return each(rows, []any{&kind, &w.Count, &w.Oldest}, func() { g.PendingClose[kind] = w })
	})
	batch.Queue(`SELECT kind, count(*) FROM room_attempt WHERE state = 'lost' AND resolution IS NULL GROUP BY kind`).Query(func(rows pgx.Rows) error {
		var kind minigroup.RoomKind
		var n int64
		return each(rows, []any{&kind, &n}, func() { g.Lost[kind] = n })
	})
	batch.Queue(`SELECT count(*), coalesce(now() - min(written_at), interval '0') FROM outbox`).QueryRow(func(row pgx.Row) error {
		return row.Scan(&g.Outbox.Count, &g.Outbox.Oldest)
	})
	batch.Queue(gatewayGauges).Query(func(rows pgx.Rows) error {
		var id string
		var b GatewayGauges
		return each(rows, []any{&id, &b.Capacity, &b.Reserved, &b.Away, &b.Open, &b.Draining}, func() { g.Gateways[id] = b })
	})
	if err := s.pool.SendBatch(ctx, &batch).Close(); err != nil {
		return Gauges{}, fmt.Errorf("read gauges: %w", err)
	}
	return g, nil
}

func each(rows pgx.Rows, into []any, take func()) error {
	_, err := pgx.ForEachRow(rows, into, func() error {
		take()
		return nil
	})
	return err
}
