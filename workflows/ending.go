package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
)

// How a run ends, as its progress and the metrics tell it.
const (
	outcomeDone       = "done"
	outcomeFailed     = "failed"
	outcomeCancelled  = "cancelled"
	outcomeSuperseded = "superseded"
)

// done ends a run that has come to what it was for.
func (p *progress) done(ctx workflow.Context) error {
	p.ends(ctx, stageDone, outcomeDone, "")
	return nil
}

// failed ends a run that was decided against: as Canceled where it was cancelled, as Failed otherwise.
func (p *progress) failed(ctx workflow.Context, why activities.Failure) error {
	if ctx.Err() != nil {
		p.ends(ctx, stageFailed, outcomeCancelled, why.Detail)
		return ctx.Err()
	}
	p.ends(ctx, stageFailed, outcomeFailed, why.Detail)
	return temporal.NewNonRetryableApplicationError(why.Detail, string(why.Kind), nil, why)
}

// stopped ends a run that has decided nothing, because another has its minigroup now, or because it was cancelled.
func (p *progress) stopped(ctx workflow.Context, err error) error {
	why, _, superseded := activities.FailureOf(err)
	switch {
	case superseded:
		p.ends(ctx, stageFailed, outcomeSuperseded, why.Detail)
	case ctx.Err() != nil:
		p.ends(ctx, stageFailed, outcomeCancelled, cancelled.Detail)
	default:
		p.ends(ctx, stageFailed, outcomeFailed, why.Detail)
	}
	return err
}

func (p *progress) ends(ctx workflow.Context, stage, outcome, reason string) {
	p.Outcome, p.Reason = outcome, reason
	p.stage(ctx, stage)
	measureRun(ctx, p.Operation, outcome)
}
