package workflows_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
	"minigroups/workflows"
)

// TestARunThatDecidesNothingSaysWhy ends the run of a room whose only step returns an error.
func TestARunThatDecidesNothingSaysWhy(t *testing.T) {
	t.Parallel()
	failure := stored.Failure{Kind: minigroup.UpstreamRefused, Detail: "event refused"}
	for name, c := range map[string]struct {
		err      error
		cancel   bool
		inStep   bool // the cancel comes during the first attempt, which fails
		progress workflows.Progress
		failed   int64
	}{
		"superseded": {
			err:      temporal.NewNonRetryableApplicationError("another run", activities.Superseded, nil),
			progress: workflows.Progress{Outcome: "superseded", Reason: "another run"},
		},
		"cancelled": {
			err: temporal.NewApplicationError("away", "x"), cancel: true,
			progress: workflows.Progress{Outcome: "cancelled", Reason: "it was cancelled"},
		},
		"cancelled during the first attempt": {
			err: temporal.NewApplicationError("away", "x"), cancel: true, inStep: true,
			progress: workflows.Progress{Outcome: "cancelled", Reason: "it was cancelled"},
		},
		"failed": {
			err:      temporal.NewNonRetryableApplicationError("event refused: 403", "x", nil, failure),
			progress: workflows.Progress{Outcome: "failed", Reason: "event refused"}, failed: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var suite testsuite.WorkflowTestSuite
			suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
			metrics := newMetricsRecorder()
			suite.SetMetricsHandler(metrics)
			env := suite.NewTestWorkflowEnvironment()
			env.SetTestTimeout(deadline)
			step := func(ctx context.Context, _ activities.Room) error {
				if c.inStep {
					env.CancelWorkflow()
					waitFor(ctx.Done())
				}
				return c.err
			}
			env.RegisterActivityWithOptions(step, activity.RegisterOptions{Name: "CloseRoomIfPresent"})
			if c.cancel && !c.inStep {
				env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
			}
			env.ExecuteWorkflow(workflows.CloseRoom, activities.Room{Kind: minigroup.EventRoom, ID: uuid.New()})
			var p workflows.Progress
			if answer, err := env.QueryWorkflow(workflows.QueryProgress); err != nil || answer.Get(&p) != nil {
				t.Fatalf("the query failed: %v", err)
			}
			if p.Stage != "failed" || p.Outcome != c.progress.Outcome || p.Reason != c.progress.Reason {
				t.Errorf("got %+v", p)
			}
			end := result{err: env.GetWorkflowError()}
			if end.err == nil || end.cancelled() != c.cancel {
				t.Errorf("it ended with %v", end.err)
			}
			metrics.assertCount(t, "saga_ended operation=close_room outcome="+c.progress.Outcome, 1)
			metrics.assertCount(t, "saga_failed operation=close_room reason=upstream_refused", c.failed)
		})
	}
}
