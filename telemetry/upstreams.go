package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"minigroups/minigroup"
)

// Upstreams measures and traces the requests that this process sends to other services. It is a prometheus.Collector.
type Upstreams struct {
	Group
	tracer   trace.Tracer // nil disables spans
	count    *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewUpstreams returns an Upstreams. With a tracer, each request is a span; the trace is not propagated to the
// services.
func NewUpstreams(tracer trace.Tracer) *Upstreams {
	u := &Upstreams{
		tracer: tracer,
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minigroups_upstream_requests_total",
			Help: "Requests to other services by outcome: ok, refused, unavailable (no effect, may succeed later) or " +
				"unknown (may have had an effect).",
		}, []string{"upstream", "operation", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "minigroups_upstream_request_duration_seconds", Help: "Duration of requests to other services.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60},
		}, []string{"upstream", "operation"}),
	}
	u.Group = Group{u.count, u.duration}
	return u
}

// Begin starts the measurement of a request. It returns the context for the request and a function that the caller
// calls once, with the error of the request.
func (u *Upstreams) Begin(ctx context.Context, upstream, operation string) (context.Context, func(error)) {
	began, span := time.Now(), trace.Span(nil)
	if u.tracer != nil {
		ctx, span = u.tracer.Start(ctx, operation,
			trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("peer.service", upstream)))
	}
	return ctx, func(err error) {
		outcome, status := outcomeOf(err)
		u.count.WithLabelValues(upstream, operation, outcome).Inc()
		u.duration.WithLabelValues(upstream, operation).Observe(time.Since(began).Seconds())
		if span == nil {
			return
		}
		span.SetAttributes(attribute.String("outcome", outcome))
		if status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", status))
		}
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

func outcomeOf(err error) (outcome string, status int) {
	var failed *minigroup.UpstreamError
	switch {
	case err == nil:
		return "ok", 0
	case !errors.As(err, &failed):
		return "unknown", 0
	case failed.Refused:
		return "refused", failed.Status
	case failed.MaybeDone:
		return "unknown", failed.Status
	default:
		return "unavailable", failed.Status
	}
}
