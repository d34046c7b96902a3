package telemetry

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Requests measures and traces the requests that this process answers, except probes. It labels them by route template,
// because paths may contain personal data. It is a prometheus.Collector.
type Requests struct {
	Group
	tracer   trace.Tracer // nil disables spans
	count    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	waiting  prometheus.Gauge
	refused  *prometheus.CounterVec
}

// NewRequests returns a Requests. With a tracer, each request is a span in the trace that its caller sent, if any.
func NewRequests(tracer trace.Tracer) *Requests {
	r := &Requests{
		tracer: tracer,
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minigroups_http_requests_total", Help: "Requests answered by this process, by route template.",
		}, []string{"method", "route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "minigroups_http_request_duration_seconds",
			Help:    "Duration of requests, including the wait for their saga, without the wait for a change.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 60},
		}, []string{"method", "route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "minigroups_http_requests_in_flight", Help: "Requests being answered by this process.",
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "minigroups_http_requests_waiting", Help: "Reads that wait for a change of their minigroup.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minigroups_api_refused_total",
			Help: "Writes refused because of a limit of this service, before anything was written.",
		}, []string{"reason"}),
	}
	for _, reason := range []string{RefusedConcurrency, RefusedUnfinished} {
		r.refused.WithLabelValues(reason) // so that the series exist, with 0, before the first refusal
	}
	r.Group = Group{r.count, r.duration, r.inFlight, r.waiting, r.refused}
	return r
}

// The reasons of Refused: too many concurrent writes, or too many unfinished operations of an audience.
const (
	RefusedConcurrency = "concurrency"
	RefusedUnfinished  = "unfinished"
)

// Refused counts a write that was refused because of a limit of this service, before anything was written.
func (r *Requests) Refused(reason string) { r.refused.WithLabelValues(reason).Inc() }

// Wait counts a read that waits for a change until the returned function is called.
func (r *Requests) Wait() (end func()) {
	r.waiting.Inc()
	return r.waiting.Dec
}

// methods are the method labels; any other method is labelled other, which bounds the number of labels.
var methods = map[string]bool{
	http.MethodGet: true, http.MethodHead: true, http.MethodPost: true, http.MethodPut: true, http.MethodPatch: true,
	http.MethodDelete: true, http.MethodOptions: true,
}

// probes are the routes that load balancers and the kubelet request. They are not measured: a few per second that
// succeed would hide that all others fail.
var probes = map[string]bool{"/healthz": true, "/readyz": true}

// Begin starts the measurement of a request. route is its template, "" if no route matches. Begin returns the context
// for the handler and a function that the caller calls once, with the status of the response and how long the request
// waited for a change. A wait that the caller has asked for is not part of the duration: it would look like a service
// that is slow.
func (r *Requests) Begin(
	req *http.Request, route string,
) (context.Context, func(status int, waited time.Duration)) {
	if probes[route] {
		return req.Context(), func(int, time.Duration) {}
	}
	ctx, began, method, span := req.Context(), time.Now(), req.Method, trace.Span(nil)
	if !methods[method] {
		method = "other"
	}
	if route == "" {
		route = "unmatched"
	}
	if r.tracer != nil {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(req.Header))
		ctx, span = r.tracer.Start(ctx, method+" "+route, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
			attribute.String("http.request.method", method), attribute.String("http.route", route),
			attribute.String("request_id", RequestID(ctx))))
	}
	r.inFlight.Inc()
	return ctx, func(status int, waited time.Duration) {
		r.inFlight.Dec()
		r.count.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
		r.duration.WithLabelValues(method, route).Observe((time.Since(began) - waited).Seconds())
		if span == nil {
			return
		}
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}
