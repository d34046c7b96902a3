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
	write(headers, telemetry.RequestID(ctx))
	return nil
}

// InjectFromWorkflow writes the id for a step.
func (requestIDPropagator) InjectFromWorkflow(ctx workflow.Context, headers workflow.HeaderWriter) error {
	write(headers, requestID(ctx))
	return nil
}

// Extract reads the id in a step.
func (requestIDPropagator) Extract(ctx context.Context, headers workflow.HeaderReader) (context.Context, error) {
	if id := read(headers); id != "" {
		ctx = telemetry.WithRequestID(ctx, id)
	}
	return ctx, nil
}

// ExtractToWorkflow reads the id in a run.
func (requestIDPropagator) ExtractToWorkflow(
	ctx workflow.Context, headers workflow.HeaderReader,
) (workflow.Context, error) {
	if id := read(headers); id != "" {
		ctx = workflow.WithValue(ctx, requestIDKey{}, id)
	}
	return ctx, nil
}

func requestID(ctx workflow.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

func write(headers workflow.HeaderWriter, id string) {
	if id == "" {
		return
	}
	if payload, err := converter.GetDefaultDataConverter().ToPayload(id); err == nil {
		headers.Set(requestIDHeader, payload)
	}
}

func read(headers workflow.HeaderReader) (id string) {
	if payload, ok := headers.Get(requestIDHeader); ok {
		_ = converter.GetDefaultDataConverter().FromPayload(payload, &id)
	}
	return id
}
