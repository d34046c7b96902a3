package stack_test

import (
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"minigroups/stack"
	"minigroups/stack/stacktest"
)

func TestTemporalServer(t *testing.T) {
	server, options := stacktest.TemporalServer(t, "..", stack.TemporalServerOptions{Namespace: "things"})
	connect := func() client.Client {
		c, err := client.DialContext(t.Context(), client.Options{HostPort: server.Address(), Namespace: "things"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	c := connect()
	thing := client.StartWorkflowOptions{ID: "thing/1", TaskQueue: "things"}
	if _, err := c.ExecuteWorkflow(t.Context(), thing, "Thing"); err != nil {
		t.Fatal(err)
	}
	t.Run("applies the dynamic configuration", func(t *testing.T) {
		request := &workflowservice.ListTaskQueuePartitionsRequest{
			Namespace: "things", TaskQueue: &taskqueue.TaskQueue{Name: "things", Kind: enums.TASK_QUEUE_KIND_NORMAL},
		}
		parts, err := c.WorkflowService().ListTaskQueuePartitions(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(parts.GetWorkflowTaskQueuePartitions()); n != 1 {
			t.Errorf("a task queue has %d partitions, want 1", n)
		}
	})
	t.Run("does not start on ports in use", func(t *testing.T) {
		_, err := stack.StartTemporalServer(t.Context(), options)
		if err == nil || !strings.Contains(err.Error(), server.Address()) {
			t.Errorf("got %v", err)
		}
	})
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	server = stacktest.StartTemporalServer(t, options)
	c = connect()
	t.Run("finds its workflows after a restart, and none that was not started", func(t *testing.T) {
		if _, err := c.DescribeWorkflowExecution(t.Context(), "thing/1", ""); err != nil {
			t.Error(err)
		}
		var missing *serviceerror.NotFound
		if _, err := c.DescribeWorkflowExecution(t.Context(), "thing/2", ""); err == nil || !errors.As(err, &missing) {
			t.Errorf("got %v", err)
		}
	})
}

// TestDynamicConfigurationHasOnlyKnownKeys lets the server validate the file: at run time it ignores unknown keys.
func TestDynamicConfigurationHasOnlyKnownKeys(t *testing.T) {
	binary, _, err := stack.BuildTemporalServer(t.Context(), "..", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "deploy", "temporal", "dynamicconfig.yaml")
	out, err := exec.CommandContext(t.Context(), binary, "validate-dynamic-config", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), "error:") || strings.Contains(string(out), "warning:") {
		t.Errorf("%v\n%s", err, out)
	}
}
