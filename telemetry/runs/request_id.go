package runs

import (
	"context"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"minigroups/telemetry"
)

// requestIDHeader holds the id of the request that started a run.
const requestIDHeader = "request_id"

type requestIDKey struct{}

// requestIDPropagator propagates the request id from the request to the run that it starts, and from the run to its
// steps. It is a workflow.ContextPropagator. It ignores encoding errors, because a lost id must not fail a run.
type requestIDPropagator struct{}

// Inject writes the id of the request that starts a run.
func (requestIDPropagator) Inject(ctx context.Context, headers workflow.HeaderWriter) error {
	write(headers, requestIDHeader, telemetry.RequestID(ctx))
	return nil
}

// InjectFromWorkflow writes the id for a step.
func (requestIDPropagator) InjectFromWorkflow(ctx workflow.Context, headers workflow.HeaderWriter) error {
	write(headers, requestIDHeader, requestID(ctx))
	return nil
}

// Extract reads the id in a step.
func (requestIDPropagator) Extract(ctx context.Context, headers workflow.HeaderReader) (context.Context, error) {
	if id := read(headers, requestIDHeader); id != "" {
		ctx = telemetry.WithRequestID(ctx, id)
	}
	return ctx, nil
}

// ExtractToWorkflow reads the id in a run.
func (requestIDPropagator) ExtractToWorkflow(
	ctx workflow.Context, headers workflow.HeaderReader,
) (workflow.Context, error) {
	if id := read(headers, requestIDHeader); id != "" {
		ctx = workflow.WithValue(ctx, requestIDKey{}, id)
	}
	return ctx, nil
}

func requestID(ctx workflow.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

func write(headers workflow.HeaderWriter, key, id string) {
	if id == "" {
		return
	}
	if payload, err := converter.GetDefaultDataConverter().ToPayload(id); err == nil {
		headers.Set(key, payload)
	}
}

func read(headers workflow.HeaderReader, key string) (id string) {
	if payload, ok := headers.Get(key); ok {
		_ = converter.GetDefaultDataConverter().FromPayload(payload, &id)
	}
	return id
}
