package process

import (
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// Pools shows the database connections of a process, those for writes and those for reads. It is a
// prometheus.Collector.
type Pools struct {
	Writes, Reads func() *pgxpool.Stat
}

var (
	poolConnections = newDesc("minigroups_pool_connections",
		"Database connections of this process: acquired, idle, and the maximum (max).", "pool", "state")
	poolWaits = newDesc("minigroups_pool_waits_total",
		"Queries that had to wait for a database connection.", "pool")
	poolWaited = newDesc("minigroups_pool_wait_seconds_total",
		"Time that queries have waited for a database connection, in total.", "pool")
)

// Describe implements prometheus.Collector.
func (Pools) Describe(descs chan<- *prometheus.Desc) {
	descs <- poolConnections
	descs <- poolWaits
	descs <- poolWaited
}

// Collect implements prometheus.Collector.
func (p Pools) Collect(metrics chan<- prometheus.Metric) {
	collectPool(metrics, "writes", p.Writes())
	collectPool(metrics, "reads", p.Reads())
}

func collectPool(metrics chan<- prometheus.Metric, pool string, s *pgxpool.Stat) {
	for state, n := range map[string]int32{"acquired": s.AcquiredConns(), "idle": s.IdleConns(), "max": s.MaxConns()} {
		metrics <- prometheus.MustNewConstMetric(poolConnections, prometheus.GaugeValue, float64(n), pool, state)
	}
	counter := func(desc *prometheus.Desc, value float64) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, value, pool)
	}
	counter(poolWaits, float64(s.EmptyAcquireCount()))
	counter(poolWaited, s.EmptyAcquireWaitTime().Seconds())
}
