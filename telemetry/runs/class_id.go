package runs

import (
	"context"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/zap"

	"minigroups/telemetry"
)

// classIDHeader holds the class of a run for its steps.
const classIDHeader = "class_id"

// classIDPropagator propagates the class id from a run, which has it in a search attribute, to its steps. It does not
// follow from the workflow id, because an imported class has an id of its own. It is a workflow.ContextPropagator.
type classIDPropagator struct {
	attribute temporal.SearchAttributeKeyKeyword
}

// of returns the class id of a run; empty if it has none.
func (p classIDPropagator) of(ctx workflow.Context) string {
	id, _ := workflow.GetTypedSearchAttributes(ctx).GetKeyword(p.attribute)
	return id
}

// Inject writes nothing: the search attribute of a run holds its class.
func (classIDPropagator) Inject(context.Context, workflow.HeaderWriter) error { return nil }

// InjectFromWorkflow writes the class id for a step.
func (p classIDPropagator) InjectFromWorkflow(ctx workflow.Context, headers workflow.HeaderWriter) error {
	write(headers, classIDHeader, p.of(ctx))
	return nil
}

// Extract adds the class id to the log lines of a step.
func (classIDPropagator) Extract(ctx context.Context, headers workflow.HeaderReader) (context.Context, error) {
	if id := read(headers, classIDHeader); id != "" {
		ctx = telemetry.WithFields(ctx, zap.String("class_id", id))
	}
	return ctx, nil
}

// ExtractToWorkflow returns ctx.
func (classIDPropagator) ExtractToWorkflow(ctx workflow.Context, _ workflow.HeaderReader) (workflow.Context, error) {
	return ctx, nil
}
