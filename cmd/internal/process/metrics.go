package process

import (
	"context"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"minigroups"
)

// Metrics serves four paths on the address until ctx ends: /metrics, with the metrics of Go, of the process, of the
// signals and the given ones; /healthz, which fails only if the Temporal worker of the process is stuck, so that a new
// process helps; /readyz, which fails while it does not poll; and /log/level, which reads (GET) and changes (PUT) the
// log level. Nothing but GET and HEAD is accepted from other machines.
func Metrics(ctx context.Context, address string, s *Signals, more ...prometheus.Collector) error {
	server := Server{
		Address: address, Handler: metricsHandler(s, more), IdleTimeout: 2 * time.Minute, DrainTimeout: time.Second,
	}
	return server.Serve(ctx)
}

func metricsHandler(s *Signals, more []prometheus.Collector) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newBuildInfo(), s)
	registry.MustRegister(more...)
	mux := http.NewServeMux()
	// A collector that fails must not hide the metrics of the others.
	options := promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, options))
	mux.Handle("GET /healthz", probe(s.Polls.Stuck))
	mux.Handle("GET /readyz", probe(s.Polls.Polling))
	mux.Handle("/log/level", http.MaxBytesHandler(s.Log.Level, 1<<10))
	return readOnlyFromElsewhere(mux)
}

// probe answers 200 if check returns nil, and otherwise 503 with its error.
func probe(check func() error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := check(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
}

// newBuildInfo returns a gauge whose labels say what this program was built from.
func newBuildInfo() prometheus.Collector {
	commit := revision(debug.ReadBuildInfo())
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "minigroups_build_info", Help: "Always 1. The labels say what this program was built from.",
		ConstLabels: prometheus.Labels{"version": minigroups.Version(), "revision": commit, "go": runtime.Version()},
	})
	info.Set(1)
	return info
}

// NewSwept returns the counter of what the sweeps of this process have done.
func NewSwept() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "minigroups_swept_total",
		Help: "What the sweeps run by this process have done: recovered (sagas), repairing (minigroups), " +
			"marked_for_closing and closing (rooms), lost and never_seen (attempts), ended (classes), made and removed " +
			"(gateway rooms), away (gateways), purged_TABLE (rows), failed.",
	}, []string{"what"})
}

// NewInFlight returns a gauge that shows what count returns: the number of create requests in flight.
func NewInFlight(count func() int) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "minigroups_in_flight_requests",
		Help: "Requests to create a room that this process has sent and that are not answered yet.",
	}, func() float64 { return float64(count()) })
}
