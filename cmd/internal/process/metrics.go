package process

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"minigroups/minigroup"
)

// Metrics serves /metrics on the address until ctx ends: those of Go, of the process, and the given ones; and /healthz, which
// answers as long as the process can answer at all.
func Metrics(ctx context.Context, address string, more ...prometheus.Collector) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(more...)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	return Serve(ctx, address, mux, 0, time.Second)
}

// NewSwept counts what this process's sweeps have done.
func NewSwept() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "minigroups_swept_total",
		Help: "What sweeps run by this process have done: sagas healed, minigroups compared, rooms closing, attempts lost, gateway rooms made and removed, gateways away, and what failed.",
	}, []string{"what"})
}

// LostAttempts shows how many creates of rooms were never answered, as the ledger counts them when it is asked. Every worker
// shows the same number.
type LostAttempts struct {
	Count func(context.Context) (map[minigroup.RoomKind]int64, error)
}

var lostAttempts = prometheus.NewDesc("minigroups_lost_attempts",
	"Requests to create a room that were never answered; each may have left a room that nobody knows.", []string{"kind"}, nil)

// Describe makes LostAttempts a prometheus.Collector.
func (LostAttempts) Describe(descs chan<- *prometheus.Desc) { descs <- lostAttempts }

// Collect asks the ledger, for two seconds at most.
func (l LostAttempts) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	counts, err := l.Count(ctx)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(lostAttempts, err)
		return
	}
	for kind, n := range counts {
		metrics <- prometheus.MustNewConstMetric(lostAttempts, prometheus.GaugeValue, float64(n), string(kind))
	}
}
