package telemetry

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"minigroups/minigroup"
)

func TestRequestsAreCountedByRoute(t *testing.T) {
	r := NewRequests(nil)
	for _, request := range []struct {
		method, route string
		status        int
	}{
		{http.MethodGet, "/minigroups/:id", 200}, {http.MethodGet, "/minigroups/:id", 404},
		{"BREW", "/minigroups/:id", 405}, {http.MethodGet, "", 404},
	} {
		_, end := r.Begin(httptest.NewRequest(request.method, "/minigroups/private?access_token=x", nil), request.route)
		if n := testutil.ToFloat64(r.inFlight); n != 1 {
			t.Errorf("%v are in flight", n)
		}
		end(request.status, 0)
	}
	err := testutil.CollectAndCompare(r, strings.NewReader(`
# HELP minigroups_http_requests_in_flight Requests being answered by this process.
# TYPE minigroups_http_requests_in_flight gauge
minigroups_http_requests_in_flight 0
# HELP minigroups_http_requests_total Requests answered by this process, by route template.
# TYPE minigroups_http_requests_total counter
minigroups_http_requests_total{method="GET",route="/minigroups/:id",status="200"} 1
minigroups_http_requests_total{method="GET",route="/minigroups/:id",status="404"} 1
minigroups_http_requests_total{method="GET",route="unmatched",status="404"} 1
minigroups_http_requests_total{method="other",route="/minigroups/:id",status="405"} 1
`), "minigroups_http_requests_total", "minigroups_http_requests_in_flight")
	if err != nil {
		t.Error(err)
	}
}

func TestProbesAreNotMeasured(t *testing.T) {
	r := NewRequests(nil)
	for _, route := range []string{"/healthz", "/readyz"} {
		_, end := r.Begin(httptest.NewRequest(http.MethodGet, route, nil), route)
		if n := testutil.ToFloat64(r.inFlight); n != 0 {
			t.Errorf("%s: %v are in flight", route, n)
		}
		end(http.StatusServiceUnavailable, 0)
	}
	if counted, timed := testutil.CollectAndCount(r.count), testutil.CollectAndCount(r.duration); counted+timed != 0 {
		t.Errorf("%d series count them, %d time them", counted, timed)
	}
}

func TestTheDurationOfARequestIsWithoutItsWait(t *testing.T) {
	r := NewRequests(nil)
	_, end := r.Begin(httptest.NewRequest(http.MethodGet, "/minigroups/x", nil), "/minigroups/:id")
	waited := r.Wait()
	if n := testutil.ToFloat64(r.waiting); n != 1 {
		t.Errorf("%v are waiting", n)
	}
	waited()
	end(http.StatusOK, time.Hour) // more than this test has taken, so that only a subtraction explains the result
	if n := testutil.ToFloat64(r.waiting); n != 0 {
		t.Errorf("%v are still waiting", n)
	}
	var m dto.Metric
	if err := r.duration.WithLabelValues(http.MethodGet, "/minigroups/:id").(prometheus.Metric).Write(&m); err != nil {
		t.Fatal(err)
	}
	if sum := m.GetHistogram().GetSampleSum(); sum > 0 {
		t.Errorf("the duration is %v s", sum)
	}
}

func TestAContextWithoutItsTrace(t *testing.T) {
	tracer, spans := newTracer()
	ctx, span := tracer.Start(WithRequestID(t.Context(), "r-1"), "a request")
	defer span.End()
	without := WithoutTrace(ctx)
	if trace.SpanFromContext(without).IsRecording() || TraceID(without) != "" || TraceID(ctx) == "" ||
		RequestID(without) != "r-1" || len(spans.Ended()) != 0 {
		t.Errorf("the trace is %q, of %q", TraceID(without), TraceID(ctx))
	}
}

func TestRefusedWritesAreCountedByReason(t *testing.T) {
	r := NewRequests(nil)
	for _, reason := range []string{RefusedUnfinished, RefusedConcurrency, RefusedUnfinished} {
		r.Refused(reason)
	}
	err := testutil.CollectAndCompare(r, strings.NewReader(`
# HELP minigroups_api_refused_total Writes refused because of a limit of this service, before anything was written.
# TYPE minigroups_api_refused_total counter
minigroups_api_refused_total{reason="concurrency"} 1
minigroups_api_refused_total{reason="unfinished"} 2
`), "minigroups_api_refused_total")
	if err != nil {
		t.Error(err)
	}
}

// newTracer returns a tracer and the recorder of its spans.
func newTracer() (trace.Tracer, *tracetest.SpanRecorder) {
	spans := tracetest.NewSpanRecorder()
	return sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test"), spans
}

func TestARequestIsASpanOfItsCallersTrace(t *testing.T) {
	tracer, spans := newTracer()
	req := httptest.NewRequest(http.MethodGet, "/minigroups/private?access_token=secret", nil)
	req.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	req.Header.Set("baggage", "who=private")
	requests := NewRequests(tracer)
	ctx, end := requests.Begin(req.WithContext(WithRequestID(req.Context(), "r-1")), "/minigroups/:id")
	end(http.StatusServiceUnavailable, 0)
	_, endProbe := requests.Begin(req, "/readyz")
	endProbe(http.StatusOK, 0)
	ended := spans.Ended()
	if len(ended) != 1 || ended[0].Name() != "GET /minigroups/:id" ||
		ended[0].SpanContext().TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
		t.Fatalf("got %v", ended)
	}
	for _, a := range ended[0].Attributes() {
		if strings.Contains(a.Value.String(), "private") || strings.Contains(a.Value.String(), "secret") {
			t.Errorf("the span has %s=%s", a.Key, a.Value.String())
		}
	}
	found := map[string]string{}
	for _, f := range Fields(ctx) {
		found[f.Key] = f.String
	}
	if found["request_id"] != "r-1" || len(Fields(ctx)) != 2 || Fields(ctx)[1].Key != "trace_id" {
		t.Errorf("log fields are %v", Fields(ctx))
	}
}

func TestUpstreamRequestsAreCountedByOutcome(t *testing.T) {
	tracer, spans := newTracer()
	u := NewUpstreams(tracer)
	for _, failed := range []error{
		nil, &minigroup.UpstreamError{Refused: true, Status: 422}, &minigroup.UpstreamError{MaybeDone: true},
		&minigroup.UpstreamError{}, errors.New("unexpected"),
	} {
		_, end := u.Begin(context.Background(), "event", "create event room")
		end(failed)
	}
	err := testutil.CollectAndCompare(u, strings.NewReader(`
# HELP minigroups_upstream_requests_total Requests to other services by outcome: ok, refused, `+
		`unavailable (no effect, may succeed later) or unknown (may have had an effect).`+`
# TYPE minigroups_upstream_requests_total counter
minigroups_upstream_requests_total{operation="create event room",outcome="unavailable",upstream="event"} 1
minigroups_upstream_requests_total{operation="create event room",outcome="ok",upstream="event"} 1
minigroups_upstream_requests_total{operation="create event room",outcome="refused",upstream="event"} 1
minigroups_upstream_requests_total{operation="create event room",outcome="unknown",upstream="event"} 2
`), "minigroups_upstream_requests_total")
	if err != nil {
		t.Error(err)
	}
	if ended := spans.Ended(); len(ended) != 5 || ended[0].Name() != "create event room" {
		t.Errorf("got %v", ended)
	}
}
