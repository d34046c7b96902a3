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

// Signals are the log, the metrics and, if configured, the traces of a process. As a prometheus.Collector it has the
// metrics that every process has.
type Signals struct {
	telemetry.Group
	Log *telemetry.Log
	// Polls watches the Temporal worker of the process, if it has one.
	Polls *Polls

	program   string
	provider  trace.TracerProvider // nil: tracing is off
	upstreams *telemetry.Upstreams
	sdk       client.MetricsHandler
}

// newSignals makes the signals of a program. stop sends the spans that are still buffered.
func newSignals(ctx context.Context, name string, cfg config.Config) (s *Signals, stop func(), err error) {
	s, stop = &Signals{Polls: NewPolls(), program: name}, func() {}
	if s.Log, err = telemetry.NewLog(name, cfg.Log.Level); err != nil {
		return nil, nil, err
	}
	if cfg.Tracing.Endpoint != "" {
		headers := make(map[string]string, len(cfg.Tracing.Headers))
		for name, value := range cfg.Tracing.Headers {
			headers[name] = value.Reveal()
		}
		s.provider, stop, err = telemetry.NewTracing(ctx, telemetry.TracingOptions{
			Service: "minigroups-" + name, Endpoint: cfg.Tracing.Endpoint, Headers: headers,
			SampleRatio: cfg.Tracing.SampleRatio, Log: s.Log.Named("tracing"),
		})
		if err != nil {
			return nil, nil, err
		}
	}
	s.upstreams = telemetry.NewUpstreams(s.tracer())
	handler, sdkMetrics, err := runs.NewMetrics()
	if err != nil {
		return nil, nil, err
	}
	s.sdk, s.Group = handler, telemetry.Group{s.Log.Dropped, s.upstreams, sdkMetrics}
	return s, stop, nil
}

// Silent returns signals that discard everything, for command-line tools.
func Silent() *Signals {
	return &Signals{
		Log: &telemetry.Log{Logger: zap.NewNop()}, Polls: NewPolls(),
		upstreams: telemetry.NewUpstreams(nil), sdk: client.MetricsNopHandler,
	}
}

// NewRequests makes the metrics and spans of the HTTP requests that a process answers.
func (s *Signals) NewRequests() *telemetry.Requests { return telemetry.NewRequests(s.tracer()) }

// tracer returns nil if tracing is off.
func (s *Signals) tracer() trace.Tracer {
	if s.provider == nil {
		return nil
	}
	return s.provider.Tracer("minigroups")
}

// Transport returns an instrumented transport for requests to other services. A process needs only one: it pools the
// connections.
func (s *Signals) Transport() http.RoundTripper {
	return rest.Observed(rest.NewTransport(), s.upstreams)
}

// instrumentTemporal adds logs, metrics and traces of runs to a client's options.
func (s *Signals) instrumentTemporal(o *client.Options) error {
	return runs.Instrument(o, s.sdk, s.tracer(), workflows.AttributeID, s.Log.Logger)
}

// instrumentDatabase adds a log line when all connections are discarded, and tracing of queries: their text, never
// their parameters.
func (s *Signals) instrumentDatabase(o *storage.Options) {
	o.Discarded = func(reason error) { s.Log.Warn("all database connections are replaced", zap.Error(reason)) }
	if s.provider != nil {
		o.Tracer = otelpgx.NewTracer(
			otelpgx.WithTracerProvider(s.provider), otelpgx.WithDisableConnectionDetailsInAttributes())
	}
}
