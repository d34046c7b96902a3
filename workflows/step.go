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
	s := p.begin(ctx, stepName(fn), title)
	err := lanesOf(ctx, p, s, l, fn, in, out)
	p.end(ctx, s) // not deferred: that would be done, too, when a worker lets go of a run that goes on elsewhere
	return cancelledOr(ctx, err)
}

func lanesOf(ctx workflow.Context, p *progress, s *Step, l lanes, fn, in, out any) error {
	err := tried(ctx, s, workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, fastOptions(s.Title)), fn, in), out)
	if done(ctx, err) || l.visible == 0 {
		return err
	}
	p.next(ctx, s, laneVisible, l.visible, err)
	if pause := retryDelay(err); pause > 0 {
		if err := workflow.Sleep(ctx, pause); err != nil {
			return err
		}
	}
	err = tried(ctx, s, workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, visibleOptions(s.Title, l.visible)), fn, in), out)
	if done(ctx, err) || l.patient == 0 {
		return err
	}
	p.next(ctx, s, lanePatient, l.patient, err)
	return tried(ctx, s, workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, patientOptions(s.Title, l.patient)), fn, in), out)
}

// tried waits for the tries of a lane.
func tried(ctx workflow.Context, s *Step, tries workflow.Future, out any) error {
	began := workflow.Now(ctx)
	err := tries.Get(ctx, out)
	measureStep(ctx, s, began, err)
	return err
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
func cancelledOr(ctx workflow.Context, err error) error {
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
