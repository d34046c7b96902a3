package telemetry

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
)

type requestIDKey struct{}

// WithRequestID returns a context that belongs to the request of this id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID is the id of the request that ctx belongs to, also in a step of a run which that request has started; empty where
// there is none.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

type fieldsKey struct{}

// WithFields returns a context whose log lines have these fields, too.
func WithFields(ctx context.Context, fields ...zap.Field) context.Context {
	known, _ := ctx.Value(fieldsKey{}).([]zap.Field)
	return context.WithValue(ctx, fieldsKey{}, slices.Concat(known, fields))
}

// Fields are what a log line of ctx tells of where it belongs: request_id, trace_id, and what WithFields has added.
func Fields(ctx context.Context) []zap.Field {
	known, _ := ctx.Value(fieldsKey{}).([]zap.Field)
	fields := make([]zap.Field, 0, len(known)+2)
	if id := RequestID(ctx); id != "" {
		fields = append(fields, zap.String("request_id", id))
	}
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		fields = append(fields, zap.Stringer("trace_id", span.TraceID()))
	}
	return append(fields, known...)
}
