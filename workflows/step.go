package workflows

import (
	"context"

	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
)

// executeStep runs an activity as one step of a saga and returns its result.
//
// The first attempt is a local activity, so that a saga without faults is a single workflow task. When it fails and the
// error is retryable, the same function runs as a regular activity, whose attempts and last failure the Temporal UI
// shows. The step fails with a refusal, with the last error once its attempts are used up, or with CanceledError.
func executeStep[I, O any](
	ctx workflow.Context, p *progress, title string, policy stepPolicy, fn func(context.Context, I) (O, error), in I,
) (O, error) {
	var out O
	err := executePhases(ctx, p, title, policy, fn, in, &out)
	return out, err
}

// runStep is executeStep for an activity that returns no result.
func runStep[I any](
	ctx workflow.Context, p *progress, title string, policy stepPolicy, fn func(context.Context, I) error, in I,
) error {
	return executePhases(ctx, p, title, policy, fn, in, nil)
}

// executePhases runs the local attempt and, when that fails, the retry phase.
func executePhases(ctx workflow.Context, p *progress, title string, policy stepPolicy, fn, in, out any) error {
	s := p.startStep(ctx, stepName(fn), title)
	err := executeLocal(ctx, s, fn, in, out)
	if !isFinal(ctx, err) && policy.retries {
		err = retry(ctx, p, s, policy, err, fn, in, out)
	}
	// Not deferred: a worker that evicts this run from its cache executes deferred calls, while the run goes on elsewhere.
	p.endStep(ctx, s)
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // a cancelled activity may return another error
	}
	return err
}

func executeLocal(ctx workflow.Context, s *Step, fn, in, out any) error {
	began := workflow.Now(ctx)
	attempt := workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, localOptions(s.Title)), fn, in)
	err := attempt.Get(ctx, out)
	measureStep(ctx, s.Name, phaseLocal, began, err)
	return err
}

// retry runs the retry phase of a step whose local attempt failed with cause.
func retry(ctx workflow.Context, p *progress, s *Step, policy stepPolicy, cause error, fn, in, out any) error {
	began := workflow.Now(ctx)
	p.retryStep(ctx, s, policy.maxAttempts, cause)
	stopTimer := func() {}
	if policy.attention {
		stopTimer = p.startAttentionTimer(ctx, s)
	}
	options := retryOptions(s.Title, policy.maxAttempts)
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), fn, in).Get(ctx, out)
	stopTimer()
	measureStep(ctx, s.Name, phaseRetry, began, err)
	return err
}

// isFinal reports whether another attempt is pointless: the step succeeded, was refused, or was cancelled.
func isFinal(ctx workflow.Context, err error) bool {
	if err == nil || ctx.Err() != nil {
		return true
	}
	_, final, _ := activities.FailureOf(err)
	return final
}
