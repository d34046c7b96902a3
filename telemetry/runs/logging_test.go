package runs

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func createEventRoom(context.Context) error { return errors.New("unavailable") }

// stepOfClass is a run with one step.
func stepOfClass(local bool) func(workflow.Context) error {
	return func(ctx workflow.Context) error {
		if local {
			ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
				StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
			})
			return workflow.ExecuteLocalActivity(ctx, createEventRoom).Get(ctx, nil)
		}
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
		})
		return workflow.ExecuteActivity(ctx, createEventRoom).Get(ctx, nil)
	}
}

func TestAFailedAttemptIsLoggedWithItsPhase(t *testing.T) {
	classID := uuid.New()
	for phase, isLocal := range map[string]bool{"local": true, "retry": false} {
		t.Run(phase, func(t *testing.T) {
			core, lines := observer.New(zap.WarnLevel)
			attribute := temporal.NewSearchAttributeKeyKeyword("Class")
			classes := classIDPropagator{attribute: attribute}
			env := new(testsuite.WorkflowTestSuite).NewTestWorkflowEnvironment()
			env.RegisterActivity(createEventRoom)
			env.SetContextPropagators([]workflow.ContextPropagator{classes})
			env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&loggingInterceptor{
				classes: classes, log: zap.New(core),
			}}})
			if err := env.SetTypedSearchAttributesOnStart(
				temporal.NewSearchAttributes(attribute.ValueSet(classID.String()))); err != nil {
				t.Fatal(err)
			}
			if env.ExecuteWorkflow(stepOfClass(isLocal)); env.GetWorkflowError() == nil {
				t.Fatal("no error")
			}
			found := lines.FilterMessage("step attempt failed").All()
			if len(found) != 1 {
				t.Fatalf("got lines %v", lines.All())
			}
			fields := found[0].ContextMap()
			for key, want := range map[string]any{
				"step": "create_event_room", "phase": phase, "error": "unavailable", "class_id": classID.String(),
			} {
				if fields[key] != want {
					t.Errorf("%s is %v, want %v", key, fields[key], want)
				}
			}
			if _, ok := fields["attempt"]; !ok {
				t.Error("the attempt is missing")
			}
		})
	}
}
