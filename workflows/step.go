package workflows

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
)

// call carries out a step that returns something. See step.
func call[I, O any](ctx workflow.Context, p *progress, title string, l lanes, fn func(context.Context, I) (O, error), in I) (O, error) {
	var out O
	err := step(ctx, p, title, l, fn, in, &out)
	return out, err
}

// do carries out a step that returns nothing. See step.
func do[I any](ctx workflow.Context, p *progress, title string, l lanes, fn func(context.Context, I) error, in I) error {
	return step(ctx, p, title, l, fn, in, nil)
}

// step runs one activity in three lanes. The fast lane is a local activity, so that a healthy saga is one workflow task.
// Where that try fails and another is of use, the same function runs as a regular activity with short pauses, visible in
// the UI with its attempts and its last failure. After that the patient lane raises attention and goes on minutes apart.
// A refusal, a cancel and the end of patience end the step with an error.
func step(ctx workflow.Context, p *progress, title string, l lanes, fn, in, out any) error {
	line := p.begin(title)
	defer p.end(line)
	err := workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, fastOptions(title)), fn, in).Get(ctx, out)
	if done(ctx, err) || l.visible == 0 {
		return outcome(ctx, err)
	}
	p.retrying(line, err)
	if pause := retryDelay(err); pause > 0 {
		if err := workflow.Sleep(ctx, pause); err != nil {
			return err
		}
	}
	err = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, visibleOptions(title, l.visible)), fn, in).Get(ctx, out)
	if done(ctx, err) || l.patient == 0 {
		return outcome(ctx, err)
	}
	p.waiting(ctx, line, err)
	err = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, patientOptions(title, l.patient)), fn, in).Get(ctx, out)
	p.relieved(ctx)
	return outcome(ctx, err)
}

// done reports whether no further lane is of use.
func done(ctx workflow.Context, err error) bool {
	if err == nil || ctx.Err() != nil {
		return true
	}
	_, final, _ := activities.FailureOf(err)
	return final
}

// outcome makes sure that a step which was cancelled says so, whatever its activity had to say.
func outcome(ctx workflow.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func retryDelay(err error) time.Duration {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return app.NextRetryDelay()
	}
	return 0
}
