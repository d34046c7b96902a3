package runs

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
)

// buckets are the upper bounds of durations in seconds, by the name of their instrument: calls to Temporal and steps take
// milliseconds, sagas may take hours. The last one is for all others.
var buckets = []struct {
	instrument string
	bounds     []float64
}{
	{"saga_duration", []float64{.01, .025, .05, .1, .25, .5, 1, 5, 15, 60, 300, 900, 3600, 21600}},
	{"saga_step_duration", []float64{.005, .01, .025, .05, .1, .25, .5, 1, 5, 15, 60, 300, 3600, 21600}},
	{"temporal_workflow_endtoend_latency", []float64{.01, .05, .25, 1, 5, 15, 60, 300, 3600, 21600}},
	{"temporal_*", []float64{.005, .01, .05, .1, .5, 1, 5, 10, 60}},
}

// failures are shown before the first one happens, so that nobody takes a counter that is not there for one that is mistyped.
var failures = []string{"temporal_request_failure", "temporal_workflow_task_execution_failed"}

// NewMetrics makes the metrics of Temporal's SDK, minigroups_temporal_… in seconds, and of the workflows themselves, minigroups_….
func NewMetrics() (client.MetricsHandler, prometheus.Collector, error) {
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithNamespace("minigroups"),
		otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return nil, nil, fmt.Errorf("make metrics of Temporal: %w", err)
	}
	options := []metric.Option{metric.WithReader(exporter)}
	for _, b := range buckets {
		options = append(options, metric.WithView(metric.NewView(metric.Instrument{Name: b.instrument, Kind: metric.InstrumentKindHistogram},
			metric.Stream{Aggregation: metric.AggregationExplicitBucketHistogram{Boundaries: b.bounds, NoMinMax: true}})))
	}
	provider := metric.NewMeterProvider(options...)
	handler := opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter: provider.Meter("minigroups"), UseMonotonicCounters: true,
		OnError: func(error) {}, // of a name that cannot be: that metric is not shown
	})
	for _, failure := range failures {
		handler.Counter(failure).Inc(0)
	}
	return handler, registry, nil
}
