package process

import (
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// Pool shows the database connections of a process. It is a prometheus.Collector.
type Pool struct {
	Stats func() *pgxpool.Stat
}

var (
	poolConnections = newDesc("minigroups_pool_connections",
		"Database connections of this process: acquired, idle, and the maximum (max).", "state")
	poolWaits = newDesc("minigroups_pool_waits_total",
		"Queries that had to wait for a database connection.")
	poolWaited = newDesc("minigroups_pool_wait_seconds_total",
		"Time that queries have waited for a database connection, in total.")
)

// Describe implements prometheus.Collector.
func (Pool) Describe(descs chan<- *prometheus.Desc) {
	descs <- poolConnections
	descs <- poolWaits
	descs <- poolWaited
}

// Collect implements prometheus.Collector.
func (p Pool) Collect(metrics chan<- prometheus.Metric) {
	s := p.Stats()
	for state, n := range map[string]int32{"acquired": s.AcquiredConns(), "idle": s.IdleConns(), "max": s.MaxConns()} {
		metrics <- prometheus.MustNewConstMetric(poolConnections, prometheus.GaugeValue, float64(n), state)
	}
	metrics <- prometheus.MustNewConstMetric(poolWaits, prometheus.CounterValue, float64(s.EmptyAcquireCount()))
	metrics <- prometheus.MustNewConstMetric(poolWaited, prometheus.CounterValue, s.EmptyAcquireWaitTime().Seconds())
}
