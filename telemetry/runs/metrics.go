package runs

import (
	"fmt"
	"maps"

	"github.com/prometheus/client_golang/prometheus"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
)

// buckets are the histogram bounds in seconds, by instrument; the first match applies. Requests to Temporal and steps
// take milliseconds, sagas up to hours.
var buckets = []struct {
	instrument string
	bounds     []float64
}{
	{"saga_duration", []float64{.01, .025, .05, .1, .25, .5, 1, 5, 15, 60, 300, 900, 3600, 21600}},
	{"saga_step_duration", []float64{.005, .01, .025, .05, .1, .25, .5, 1, 5, 15, 60, 300, 3600, 21600}},
	{"temporal_workflow_endtoend_latency", []float64{.01, .05, .25, 1, 5, 15, 60, 300, 3600, 21600}},
	{"temporal_*", []float64{.005, .01, .05, .1, .5, 1, 5, 10, 60}},
}

// initialCounters are exported as 0 before their first increment, so that alerts on them can tell 0 from a missing
// metric.
var initialCounters = []string{
	"temporal_request_failure", "temporal_long_request_failure", "temporal_workflow_task_execution_failed", "saga_failed",
}

// NewMetrics returns the metrics handler for a Temporal client and the collector that exports its metrics: those of the
// SDK as minigroups_temporal_…, those of the workflows as minigroups_…, durations in seconds. The SDK's tag namespace
// is exported as temporal_namespace.
func NewMetrics() (client.MetricsHandler, prometheus.Collector, error) {
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(
		otelprometheus.WithRegisterer(registry), otelprometheus.WithNamespace("minigroups"),
		otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return nil, nil, fmt.Errorf("create Temporal metrics exporter: %w", err)
	}
	options := []metric.Option{metric.WithReader(exporter)}
	for _, b := range buckets {
		options = append(options, metric.WithView(metric.NewView(
			metric.Instrument{Name: b.instrument, Kind: metric.InstrumentKindHistogram},
			metric.Stream{Aggregation: metric.AggregationExplicitBucketHistogram{Boundaries: b.bounds, NoMinMax: true}},
		)))
	}
	provider := metric.NewMeterProvider(options...)
	handler := renamed{opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter: provider.Meter("minigroups"), UseMonotonicCounters: true,
		OnError: func(error) {}, // the default panics; a metric with an invalid name is not exported
	})}
	for _, name := range initialCounters {
		handler.Counter(name).Inc(0)
	}
	return handler, registry, nil
}

// renamed renames the SDK's tag namespace to temporal_namespace. In Kubernetes, Prometheus gives every series the label
// namespace, the one of the pod, and alerts distinguish installations by it.
type renamed struct{ client.MetricsHandler }

// WithTags implements client.MetricsHandler.
func (r renamed) WithTags(tags map[string]string) client.MetricsHandler {
	if namespace, ok := tags["namespace"]; ok {
		tags = maps.Clone(tags)
		delete(tags, "namespace")
		tags["temporal_namespace"] = namespace
	}
	return renamed{r.MetricsHandler.WithTags(tags)}
}
