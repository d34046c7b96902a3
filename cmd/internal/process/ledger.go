package process

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"minigroups/storage"
)

// ledgerTimeout bounds the query for the gauges, so that a scrape is answered without the database.
const ledgerTimeout = 2 * time.Second

// Ledger shows counts that it reads from the database at each scrape; every worker shows the same values. It is a
// prometheus.Collector.
type Ledger struct {
	Gauges func(context.Context) (storage.Gauges, error)
}

func newDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	openSagas = newDesc("minigroups_open_sagas",
		"Creates, updates and recreates that are not finished.", "operation", "state")
	oldestOpenSaga = newDesc("minigroups_oldest_open_saga_seconds",
		"Age of the oldest open saga.", "operation", "state")
	stuckSagas = newDesc("minigroups_stuck_sagas",
		"Sagas that have been open for more than 2 minutes.", "operation", "state")
	failedMinigroups = newDesc("minigroups_failed",
		"Minigroups in state failed.")
	roomsPendingClose = newDesc("minigroups_rooms_pending_close",
		"Rooms that are marked for closing and not closed yet.", "kind")
	oldestPendingClose = newDesc("minigroups_oldest_pending_close_seconds",
		"Time since the oldest room pending close was marked.", "kind")
	lostAttempts = newDesc("minigroups_lost_attempts",
		"Requests to create a room that were never answered and are not resolved; each may have left an unknown room.",
		"kind")
	outboxWaiting = newDesc("minigroups_outbox_waiting",
		"Events in the outbox that are not published yet.")
	oldestInOutbox = newDesc("minigroups_oldest_outbox_seconds",
		"Age of the oldest event in the outbox.")
	janusSlots = newDesc("minigroups_janus_slots",
		"Slots of each gateway: its capacity (+Inf if unlimited) and those reserved now.", "backend", "kind")
	janusAway = newDesc("minigroups_janus_away",
		"1 if the gateway does not answer, or answers wrongly, otherwise 0.", "backend")
	janusUnfit = newDesc("minigroups_janus_unfit",
		"1 if the gateway answers wrongly: its configuration or its software is at fault; otherwise 0.", "backend")
	janusOpen = newDesc("minigroups_janus_open",
		"1 if the gateway takes new classes, otherwise 0.", "backend")
	janusDraining = newDesc("minigroups_janus_draining",
		"1 if an operator is draining the gateway, otherwise 0.", "backend")
	ledgerDescs = []*prometheus.Desc{
		openSagas, oldestOpenSaga, stuckSagas, failedMinigroups, roomsPendingClose, oldestPendingClose, lostAttempts,
		outboxWaiting, oldestInOutbox, janusSlots, janusAway, janusUnfit, janusOpen, janusDraining,
	}
)

// Describe implements prometheus.Collector.
func (Ledger) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range ledgerDescs {
		descs <- d
	}
}

// Collect implements prometheus.Collector. If the database does not answer within 2 seconds, the scrape lacks these
// metrics.
func (l Ledger) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), ledgerTimeout)
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
		gauge(janusAway, boolValue(b.Away), id)
		gauge(janusUnfit, boolValue(b.Unfit), id)
		gauge(janusOpen, boolValue(b.Open), id)
		gauge(janusDraining, boolValue(b.Draining), id)
	}
}

func boolValue(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
