package runs

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func createEventRoom(context.Context) error { return errors.New("unavailable") }

func TestAFailedAttemptIsLoggedWithItsPhase(t *testing.T) {
	classID := uuid.New()
	for phase, execute := range map[string]func(*testsuite.TestActivityEnvironment) (converter.EncodedValue, error){
		"local": func(env *testsuite.TestActivityEnvironment) (converter.EncodedValue, error) {
			return env.ExecuteLocalActivity(createEventRoom)
		},
		"retry": func(env *testsuite.TestActivityEnvironment) (converter.EncodedValue, error) {
			return env.ExecuteActivity(createEventRoom)
		},
	} {
		t.Run(phase, func(t *testing.T) {
			core, lines := observer.New(zap.WarnLevel)
			env := new(testsuite.WorkflowTestSuite).NewTestActivityEnvironment()
			env.RegisterActivity(createEventRoom)
			env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&loggingInterceptor{
				classOf: func(string) (uuid.UUID, bool) { return classID, true }, log: zap.New(core),
			}}})
			if _, err := execute(env); err == nil {
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
