package runs

import (
	"context"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"minigroups/telemetry"
)

// requestHeader holds the id of the request that has started a run.
const requestHeader = "request_id"

type requestKey struct{}

// carrier carries the id of a request into the run that the request starts, and from there into its steps. It is a
// workflow.ContextPropagator. An id that cannot be written or read is no reason to
// fail a run.
type carrier struct{}

// Inject writes the id of the request that starts a run.
func (carrier) Inject(ctx context.Context, headers workflow.HeaderWriter) error {
	write(headers, telemetry.RequestID(ctx))
	return nil
}

// InjectFromWorkflow writes the id for a step.
func (carrier) InjectFromWorkflow(ctx workflow.Context, headers workflow.HeaderWriter) error {
	write(headers, requestOf(ctx))
	return nil
}

// Extract reads the id in a step.
func (carrier) Extract(ctx context.Context, headers workflow.HeaderReader) (context.Context, error) {
	if id := read(headers); id != "" {
		ctx = telemetry.WithRequestID(ctx, id)
	}
	return ctx, nil
}

// ExtractToWorkflow reads the id in a run.
func (carrier) ExtractToWorkflow(ctx workflow.Context, headers workflow.HeaderReader) (workflow.Context, error) {
	if id := read(headers); id != "" {
		ctx = workflow.WithValue(ctx, requestKey{}, id)
	}
	return ctx, nil
}

func requestOf(ctx workflow.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

func write(headers workflow.HeaderWriter, id string) {
	if id == "" {
		return
	}
	if payload, err := converter.GetDefaultDataConverter().ToPayload(id); err == nil { // as said above
		headers.Set(requestHeader, payload)
	}
}

func read(headers workflow.HeaderReader) (id string) {
	if payload, ok := headers.Get(requestHeader); ok {
		_ = converter.GetDefaultDataConverter().FromPayload(payload, &id) // likewise
	}
	return id
}
