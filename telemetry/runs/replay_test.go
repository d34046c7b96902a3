package runs

import (
	"path/filepath"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"

	"minigroups/workflows"
)

// Instrumentation adds no commands to a run, so recorded histories replay with it.
func TestRecordedHistoriesReplayWithInstrumentation(t *testing.T) {
	var o client.Options
	handler, _, err := NewMetrics()
	if err != nil {
		t.Fatal(err)
	}
	tracer := sdktrace.NewTracerProvider().Tracer("test")
	if err := Instrument(&o, handler, tracer, workflows.AttributeID, zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	options := worker.WorkflowReplayerOptions{ContextPropagators: o.ContextPropagators}
	for _, i := range o.Interceptors {
		options.Interceptors = append(options.Interceptors, i.(interceptor.WorkerInterceptor))
	}
	replayer, err := worker.NewWorkflowReplayerWithOptions(options)
	if err != nil {
		t.Fatal(err)
	}
	workflows.RegisterWorkflows(replayer)
	files, err := filepath.Glob("../../workflows/testdata/histories/*.json")
	if err != nil || len(files) < 19 {
		t.Fatalf("only %d histories, %v", len(files), err)
	}
	for _, file := range files {
		if err := replayer.ReplayWorkflowHistoryFromJSONFile(nil, file); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
