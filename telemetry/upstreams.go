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

// Upstreams tells of the calls that this process makes to other services. It is a prometheus.Collector.
type Upstreams struct {
	Group
	tracer   trace.Tracer // nil: no traces
	count    *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewUpstreams makes what tells of calls; with a tracer, each is a span as well. The services are not told of the trace.
func NewUpstreams(tracer trace.Tracer) *Upstreams {
	u := &Upstreams{
		tracer: tracer,
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minigroups_upstream_requests_total",
			Help: "Requests to other services, by what came of them: ok, refused, not_done (nothing was done, but may be another time) or unknown.",
		}, []string{"upstream", "operation", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "minigroups_upstream_request_duration_seconds", Help: "How long requests to other services took.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60},
		}, []string{"upstream", "operation"}),
	}
	u.Group = Group{u.count, u.duration}
	return u
}

// Begin notes a call. It returns the context in which to make it, and a function that is to be called once with its error.
func (u *Upstreams) Begin(ctx context.Context, upstream, doing string) (context.Context, func(error)) {
	began, span := time.Now(), trace.Span(nil)
	if u.tracer != nil {
		ctx, span = u.tracer.Start(ctx, doing, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("peer.service", upstream)))
	}
	return ctx, func(err error) {
		outcome, status := outcomeOf(err)
		u.count.WithLabelValues(upstream, doing, outcome).Inc()
		u.duration.WithLabelValues(upstream, doing).Observe(time.Since(began).Seconds())
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
		return "not_done", failed.Status
	}
}
