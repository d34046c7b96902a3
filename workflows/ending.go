package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
	"minigroups/stored"
)

// The outcomes of a run, as its progress and the metrics name them.
const (
	outcomeDone       = "done"
	outcomeFailed     = "failed"
	outcomeCancelled  = "cancelled"
	outcomeSuperseded = "superseded"
)

// complete ends a run that achieved its purpose. It returns nil, for the workflow function to return.
func (p *progress) complete(ctx workflow.Context) error {
	p.end(ctx, stageDone, outcomeDone, "")
	return nil
}

// fail ends a run whose operation was decided to fail. The workflow function returns the error: the run ends Canceled
// when it was cancelled, Failed otherwise.
func (p *progress) fail(ctx workflow.Context, reason stored.Failure) error {
	if ctx.Err() != nil {
		p.end(ctx, stageFailed, outcomeCancelled, reason.Detail)
		return ctx.Err()
	}
	p.end(ctx, stageFailed, outcomeFailed, reason.Detail)
	measureFailure(ctx, p.Operation, reason.Kind)
	return temporal.NewNonRetryableApplicationError(reason.Detail, string(reason.Kind), nil, reason)
}

// abort ends a run that decided nothing, because another run owns its minigroup now, or because it was cancelled. It
// returns err, for the workflow function to return.
func (p *progress) abort(ctx workflow.Context, err error) error {
	reason, _, superseded := activities.FailureOf(err)
	switch {
	case superseded:
		p.end(ctx, stageFailed, outcomeSuperseded, reason.Detail)
	case ctx.Err() != nil:
		p.end(ctx, stageFailed, outcomeCancelled, cancelled.Detail)
	default:
		p.end(ctx, stageFailed, outcomeFailed, reason.Detail)
		measureFailure(ctx, p.Operation, reason.Kind)
	}
	return err
}

func (p *progress) end(ctx workflow.Context, stage, outcome, reason string) {
	p.Outcome, p.Reason = outcome, reason
	p.startStage(ctx, stage)
	measureRun(ctx, p.Operation, outcome)
}
