package process

import (
	"context"
	"net/http"

	"github.com/exaring/otelpgx"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"minigroups/clients/rest"
	"minigroups/config"
	"minigroups/storage"
	"minigroups/telemetry"
	"minigroups/telemetry/runs"
	"minigroups/workflows"
)

// Signals is what a process says of its work: its log, metrics, and traces where it is configured to. It is a
// prometheus.Collector of those metrics that every process has.
type Signals struct {
	telemetry.Group
	Log *telemetry.Log

	provider  trace.TracerProvider // nil: no traces
	upstreams *telemetry.Upstreams
	sdk       client.MetricsHandler
}

// newSignals makes the signals of the process of this name. stop sends what is left of its traces.
func newSignals(ctx context.Context, name string, cfg config.Config) (s *Signals, stop func(), err error) {
	s, stop = &Signals{}, func() {}
	if s.Log, err = telemetry.NewLog(name, cfg.Log.Level); err != nil {
		return nil, nil, err
	}
	if cfg.Tracing.Endpoint != "" {
		headers := make(map[string]string, len(cfg.Tracing.Headers))
		for name, value := range cfg.Tracing.Headers {
			headers[name] = value.Reveal()
		}
		s.provider, stop, err = telemetry.NewTracing(ctx, telemetry.TracingOptions{
			Service: "minigroups-" + name, Endpoint: cfg.Tracing.Endpoint, Headers: headers, SampleRatio: cfg.Tracing.SampleRatio,
			Log: s.Log.Named("tracing"),
		})
		if err != nil {
			return nil, nil, err
		}
	}
	s.upstreams = telemetry.NewUpstreams(s.tracer())
	handler, shown, err := runs.NewMetrics()
	if err != nil {
		return nil, nil, err
	}
	s.sdk, s.Group = handler, telemetry.Group{s.Log.Dropped, s.upstreams, shown}
	return s, stop, nil
}

// Silent are the signals of a program that a person uses: nobody is told anything.
func Silent() *Signals {
	return &Signals{Log: &telemetry.Log{Logger: zap.NewNop()}, upstreams: telemetry.NewUpstreams(nil), sdk: client.MetricsNopHandler}
}

// NewRequests makes what tells of the requests that a process answers.
func (s *Signals) NewRequests() *telemetry.Requests { return telemetry.NewRequests(s.tracer()) }

// tracer returns nil where there are no traces.
func (s *Signals) tracer() trace.Tracer {
	if s.provider == nil {
		return nil
	}
	return s.provider.Tracer("minigroups")
}

// Transport returns the connections to all upstreams, of whose calls it is told; a process needs one.
func (s *Signals) Transport() http.RoundTripper {
	return rest.Observed(rest.NewTransport(), s.upstreams)
}

// tellOfRuns has a client of Temporal tell of runs.
func (s *Signals) tellOfRuns(o *client.Options) error {
	return runs.Instrument(o, s.sdk, s.tracer(), runs.Names{Class: workflows.ClassOf, Lane: workflows.Lane}, s.Log.Logger)
}

// tellOfQueries has a database tell of its queries: the text of each, never its parameters.
func (s *Signals) tellOfQueries(o *storage.Options) {
	if s.provider != nil {
		o.Tracer = otelpgx.NewTracer(otelpgx.WithTracerProvider(s.provider), otelpgx.WithDisableConnectionDetailsInAttributes())
	}
}
