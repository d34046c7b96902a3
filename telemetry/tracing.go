package telemetry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
)

// TracingOptions configure NewTracing.
type TracingOptions struct {
	// Service is the service.name of the spans.
	Service string
	// Endpoint is the OTLP/HTTP URL, path included: http://host:port/v1/traces.
	Endpoint string
	// Headers are added to each export request.
	Headers map[string]string
	// SampleRatio is the fraction of new traces that is recorded, from 0 to 1. Traces started by a caller follow the
	// caller's sampling decision.
	SampleRatio float64
	// Log receives export errors.
	Log *zap.Logger
}

const (
	exportTimeout   = 10 * time.Second
	shutdownTimeout = 5 * time.Second
)

// NewTracing returns a provider that exports spans over OTLP/HTTP in the background and drops spans that cannot be
// sent. stop exports the remaining spans within shutdownTimeout.
func NewTracing(ctx context.Context, o TracingOptions) (provider trace.TracerProvider, stop func(), err error) {
	exporter, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(o.Endpoint), otlptracehttp.WithHeaders(o.Headers),
		otlptracehttp.WithTimeout(exportTimeout), otlptracehttp.WithProxy(nil))
	if err != nil {
		return nil, nil, fmt.Errorf("tracing.endpoint: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Log.Warn("exporting spans failed", zap.Error(err)) }))
	sdk := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(o.SampleRatio))),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", o.Service))),
	)
	return sdk, func() {
		shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := sdk.Shutdown(shutdown); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			o.Log.Warn("exporting the last spans failed", zap.Error(err))
		}
	}, nil
}
