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
)

// Metrics serves on the address until ctx ends: /metrics, those of Go, of the process, of the signals and the given ones;
// /healthz, which answers as long as the process can answer at all; and /log/level, to read (GET) and change (PUT) what is logged.
func Metrics(ctx context.Context, address string, s *Signals, more ...prometheus.Collector) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newBuildInfo(), s)
	registry.MustRegister(more...)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.Handle("/log/level", http.MaxBytesHandler(s.Log.Level, 1<<10))
	return Serve(ctx, address, mux, 0, time.Second)
}

// newBuildInfo tells what this program was built from.
func newBuildInfo() prometheus.Collector {
	labels := prometheus.Labels{"version": Version, "revision": "", "go": runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				labels["revision"] = setting.Value
			}
		}
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "minigroups_build_info", Help: "Always 1; its labels tell what this program was built from.", ConstLabels: labels,
	})
	build.Set(1)
	return build
}

// NewSwept counts what this process's sweeps have done.
func NewSwept() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "minigroups_swept_total",
		Help: "What sweeps run by this process have done: sagas healed, minigroups compared, rooms closing, attempts lost, gateway rooms made and removed, gateways away, and what failed.",
	}, []string{"what"})
}

// NewInFlight shows how many requests to create rooms are in the air.
func NewInFlight(count func() int) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "minigroups_in_flight_requests", Help: "Requests to create a room that this process has sent and waits for.",
	}, func() float64 { return float64(count()) })
}
