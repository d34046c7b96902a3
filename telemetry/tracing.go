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

// TracingOptions say where spans are sent.
type TracingOptions struct {
	// Service is the name of this process.
	Service string
	// Endpoint is where spans are posted to: http://host:port/v1/traces.
	Endpoint string
	// Headers come with each of those requests.
	Headers map[string]string
	// SampleRatio is the part of the traces begun here that is recorded, from 0 to 1. A trace that a caller has begun is
	// recorded where that caller does.
	SampleRatio float64
	// Log is told where spans could not be sent.
	Log *zap.Logger
}

const (
	exportWait   = 10 * time.Second
	shutdownWait = 5 * time.Second
)

// NewTracing makes what records spans and sends them over OTLP/HTTP in the background. Where they cannot be sent, they are
// dropped. stop sends what is left, for 5 s at most.
func NewTracing(ctx context.Context, o TracingOptions) (provider trace.TracerProvider, stop func(), err error) {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(o.Endpoint), otlptracehttp.WithHeaders(o.Headers),
		otlptracehttp.WithTimeout(exportWait), otlptracehttp.WithProxy(nil))
	if err != nil {
		return nil, nil, fmt.Errorf("tracing.endpoint: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Log.Warn("spans were not sent", zap.Error(err)) }))
	sdk := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(o.SampleRatio))),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", o.Service))),
	)
	return sdk, func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownWait)
		defer cancel()
		if err := sdk.Shutdown(last); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			o.Log.Warn("the last spans were not sent", zap.Error(err))
		}
	}, nil
}
