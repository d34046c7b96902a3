package telemetry

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
)

type requestIDKey struct{}

// WithRequestID returns a context that carries the id of the current request.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the id of the request that ctx belongs to, or "" if there is none. Inside a step it is the id of
// the request that started the run.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// TraceID returns the id of the trace that ctx belongs to, or "" if there is none.
func TraceID(ctx context.Context) string {
	span := trace.SpanContextFromContext(ctx)
	if !span.HasTraceID() {
		return ""
	}
	return span.TraceID().String()
}

// WithoutTrace returns a context whose work is not part of the trace that ctx belongs to, nor of any other.
func WithoutTrace(ctx context.Context) context.Context {
	return trace.ContextWithSpanContext(ctx, trace.SpanContext{})
}

type fieldsKey struct{}

// WithFields returns a context that adds these fields to what Fields returns.
func WithFields(ctx context.Context, fields ...zap.Field) context.Context {
	parent, _ := ctx.Value(fieldsKey{}).([]zap.Field)
	return context.WithValue(ctx, fieldsKey{}, slices.Concat(parent, fields))
}

// Fields returns the fields for log lines of ctx: request_id and trace_id, where known, and those added by WithFields.
func Fields(ctx context.Context) []zap.Field {
	added, _ := ctx.Value(fieldsKey{}).([]zap.Field)
	fields := make([]zap.Field, 0, len(added)+2)
	if id := RequestID(ctx); id != "" {
		fields = append(fields, zap.String("request_id", id))
	}
	if id := TraceID(ctx); id != "" {
		fields = append(fields, zap.String("trace_id", id))
	}
	return append(fields, added...)
}
