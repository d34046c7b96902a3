package process

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"minigroups/storage"
)

// ledgerWait bounds a look into the ledger.
const ledgerWait = 2 * time.Second

// Ledger shows what the ledger counts when it is asked. Every worker shows the same numbers. It is a prometheus.Collector.
type Ledger struct {
	Gauges func(context.Context) (storage.Gauges, error)
}

var (
	openSagas = prometheus.NewDesc("minigroups_open_sagas",
		"Creates, updates and recreates that are not decided.", []string{"operation", "state"}, nil)
	oldestOpenSaga = prometheus.NewDesc("minigroups_oldest_open_saga_seconds",
		"For how long the oldest of them has been open.", []string{"operation", "state"}, nil)
	stuckSagas = prometheus.NewDesc("minigroups_stuck_sagas",
		"Those that have been open for longer than 2 minutes.", []string{"operation", "state"}, nil)
	failedMinigroups = prometheus.NewDesc("minigroups_failed",
		"Minigroups that are failed.", nil, nil)
	roomsPendingClose = prometheus.NewDesc("minigroups_rooms_pending_close",
		"Rooms that wait to be closed.", []string{"kind"}, nil)
	oldestPendingClose = prometheus.NewDesc("minigroups_oldest_pending_close_seconds",
		"For how long the oldest of them has waited.", []string{"kind"}, nil)
	lostAttempts = prometheus.NewDesc("minigroups_lost_attempts",
		"Requests to create a room that were never answered; each may have left a room that nobody knows.", []string{"kind"}, nil)
	outboxWaiting = prometheus.NewDesc("minigroups_outbox_waiting",
		"Announcements that the broker has not taken yet.", nil, nil)
	oldestInOutbox = prometheus.NewDesc("minigroups_oldest_outbox_seconds",
		"For how long the oldest of them has waited.", nil, nil)
	janusSlots = prometheus.NewDesc("minigroups_janus_slots",
		"Slots of each gateway: its capacity, +Inf where that is unlimited, and what is reserved now.", []string{"backend", "kind"}, nil)
	janusAway = prometheus.NewDesc("minigroups_janus_away",
		"Whether a gateway did not answer the last sweep.", []string{"backend"}, nil)
	janusOpen = prometheus.NewDesc("minigroups_janus_open",
		"Whether a gateway takes new classes.", []string{"backend"}, nil)
	janusDraining = prometheus.NewDesc("minigroups_janus_draining",
		"Whether a gateway takes none because an operator wants it empty.", []string{"backend"}, nil)
	ledgerDescs = []*prometheus.Desc{
		openSagas, oldestOpenSaga, stuckSagas, failedMinigroups, roomsPendingClose, oldestPendingClose, lostAttempts, outboxWaiting,
		oldestInOutbox, janusSlots, janusAway, janusOpen, janusDraining,
	}
)

// Describe makes Ledger a prometheus.Collector.
func (Ledger) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range ledgerDescs {
		descs <- d
	}
}

// Collect asks the ledger, for two seconds at most.
func (l Ledger) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), ledgerWait)
	defer cancel()
	g, err := l.Gauges(ctx)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(openSagas, err)
		return
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for key, o := range g.Sagas {
		gauge(openSagas, float64(o.Count), key.Operation, key.State)
		gauge(oldestOpenSaga, o.Oldest.Seconds(), key.Operation, key.State)
		gauge(stuckSagas, float64(o.Stuck), key.Operation, key.State)
	}
	gauge(failedMinigroups, float64(g.Failed))
	for kind, w := range g.PendingClose {
		gauge(roomsPendingClose, float64(w.Count), string(kind))
		gauge(oldestPendingClose, w.Oldest.Seconds(), string(kind))
	}
	for kind, n := range g.Lost {
		gauge(lostAttempts, float64(n), string(kind))
	}
	gauge(outboxWaiting, float64(g.Outbox.Count))
	gauge(oldestInOutbox, g.Outbox.Oldest.Seconds())
	for id, b := range g.Gateways {
		capacity := math.Inf(1)
		if b.Capacity != nil {
			capacity = float64(*b.Capacity)
		}
		gauge(janusSlots, capacity, id, "capacity")
		gauge(janusSlots, float64(b.Reserved), id, "reserved")
		gauge(janusAway, yes(b.Away), id)
		gauge(janusOpen, yes(b.Open), id)
		gauge(janusDraining, yes(b.Draining), id)
	}
}

func yes(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Pool shows the connections of a process to the database. It is a prometheus.Collector.
type Pool struct {
	Stats func() *pgxpool.Stat
}

var (
	poolConnections = prometheus.NewDesc("minigroups_pool_connections",
		"Connections of this process to the database: acquired, idle, and the most there may be (max).", []string{"state"}, nil)
	poolWaits = prometheus.NewDesc("minigroups_pool_waits_total",
		"How often this process has waited for a connection to the database.", nil, nil)
	poolWaited = prometheus.NewDesc("minigroups_pool_wait_seconds_total",
		"For how long in all.", nil, nil)
)

// Describe makes Pool a prometheus.Collector.
func (Pool) Describe(descs chan<- *prometheus.Desc) {
	descs <- poolConnections
	descs <- poolWaits
	descs <- poolWaited
}

// Collect makes Pool a prometheus.Collector.
func (p Pool) Collect(metrics chan<- prometheus.Metric) {
	s := p.Stats()
	for state, n := range map[string]int32{"acquired": s.AcquiredConns(), "idle": s.IdleConns(), "max": s.MaxConns()} {
		metrics <- prometheus.MustNewConstMetric(poolConnections, prometheus.GaugeValue, float64(n), state)
	}
	metrics <- prometheus.MustNewConstMetric(poolWaits, prometheus.CounterValue, float64(s.EmptyAcquireCount()))
	metrics <- prometheus.MustNewConstMetric(poolWaited, prometheus.CounterValue, s.EmptyAcquireWaitTime().Seconds())
}
