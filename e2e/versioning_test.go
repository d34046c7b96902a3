package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"minigroups/config"
	"minigroups/stack"
	"minigroups/workflows"
)

const versioned = "versioned"

// runUpgradeCommand runs the command of docs/upgrading.md that contains these words.
func runUpgradeCommand(t *testing.T, words, before, after string) {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "upgrading.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "    ") || !strings.Contains(line, words) {
			continue
		}
		// A batch operation of another test may still be running, and Temporal's index of deployments lags behind.
		again := regexp.MustCompile("Max concurrent batch operations|Worker Deployment not found")
		eventually(t, func() error {
			cmd := exec.CommandContext(t.Context(), "bash", "-uc", line)
			cmd.Dir = root
			cmd.Env = append(os.Environ(),
				"TEMPORAL_ADDRESS="+sut.cfg.Temporal.Address, "DEPLOYMENT="+versioned, "OLD="+before, "NEW="+after)
			out, err := cmd.CombinedOutput()
			if err != nil && !again.Match(out) {
				t.Fatalf("%s: %v: %s", line, err, out)
			}
			return err
		})
		return
	}
	t.Fatalf("docs/upgrading.md has no command with %s", words)
}

// useVersionedQueue makes the API and the sweeps use another task queue until the test ends. worker starts a worker of
// a build on that queue.
func useVersionedQueue(t *testing.T) (worker func(build string) *stack.Process) {
	t.Helper()
	cfg := sut.cfg
	cfg.Temporal.TaskQueue = versioned
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := config.Save(file, cfg); err != nil {
		t.Fatal(err)
	}
	if err := sut.migrate(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	_, address := anotherAPI(t, "versioned-api", config.Variable("temporal.task_queue")+"="+versioned)
	usual := sut.api
	sut.api = "http://" + address
	t.Cleanup(func() {
		sut.api = usual
		if err := sut.migrate(context.Background(), sut.configFile); err != nil {
			t.Error(err)
		}
	})
	return func(build string) *stack.Process {
		t.Helper()
		p, err := sut.anotherWorker(t.Context(), "worker "+build, file,
			config.Variable("worker.build_id")+"="+build, config.Variable("worker.metrics_listen")+"=127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Kill() })
		return p
	}
}

// awaitPolling waits until workers of the build poll for workflow tasks and for activities.
func awaitPolling(t *testing.T, build string) {
	t.Helper()
	eventually(t, func() error {
		request := &workflowservice.DescribeWorkerDeploymentVersionRequest{
			Namespace:         sut.cfg.Temporal.Namespace,
			DeploymentVersion: &deploymentpb.WorkerDeploymentVersion{DeploymentName: versioned, BuildId: build},
		}
		version, err := sut.client.WorkflowService().DescribeWorkerDeploymentVersion(t.Context(), request)
		if err != nil {
			return err
		}
		if queues := version.GetVersionTaskQueues(); len(queues) != 2 {
			return fmt.Errorf("build %s polls %v", build, queues)
		}
		return nil
	})
}

// buildOf returns the build to which the latest run of a workflow id is pinned; empty if none.
func buildOf(t *testing.T, workflowID string) string {
	t.Helper()
	described, err := sut.client.DescribeWorkflowExecution(t.Context(), workflowID, "")
	if err != nil {
		t.Fatal(err)
	}
	return described.GetWorkflowExecutionInfo().GetVersioningInfo().GetDeploymentVersion().GetBuildId()
}

// awaitBuild waits until the latest run of a workflow id is pinned to the build.
func awaitBuild(t *testing.T, workflowID, want string) {
	t.Helper()
	eventually(t, func() error {
		if got := buildOf(t, workflowID); got != want {
			return fmt.Errorf("%s is pinned to build %q, want %q", workflowID, got, want)
		}
		return nil
	})
}

func TestARunStaysWithItsBuild(t *testing.T) {
	worker := useVersionedQueue(t)
	unversioned := worker("")
	before, restoreBefore := stuckClass(t)
	if err := unversioned.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := worker("1")
	awaitPolling(t, "1")
	runUpgradeCommand(t, "set-current-version", "", "1")
	awaitBuild(t, before.workflowID(), "1") // an unversioned run moves to the first build that is made current
	old, restoreOld := stuckClass(t)
	terminated, _ := stuckClass(t)
	left, restoreLeft := stuckClass(t)

	worker("2")
	awaitPolling(t, "2")
	runUpgradeCommand(t, "set-current-version", "1", "2")
	fresh := newClass(t)
	fresh.assertComplete(fresh.post().want(t, http.StatusCreated).object)
	awaitBuild(t, fresh.workflowID(), "2")

	terminated.terminate()
	sweepUntil(t, workflows.ScheduleClasses, func() error {
		if o := terminated.get(); o.Status != "failed" {
			return fmt.Errorf("got %s", o.text)
		}
		return nil
	})
	awaitBuild(t, terminated.workflowID(), "2") // its undo is a run of its own, as is each sweep
	_, sweep := sweeps(t, workflows.ScheduleClasses)
	awaitBuild(t, sweep, "2")

	restoreBefore()
	restoreOld()
	for _, c := range []*class{before, old} {
		c.assertComplete(c.awaitStatus("real-time").object)
		c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
		awaitBuild(t, c.workflowID(), "1")
	}

	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	restoreLeft()
	eventually(t, func() error { // the visibility index lags behind
		runUpgradeCommand(t, "update-options", "1", "2")
		if got := buildOf(t, left.workflowID()); got != "2" {
			return fmt.Errorf("the run is pinned to build %q", got)
		}
		return nil
	})
	left.assertComplete(left.awaitStatus("real-time").object)
}
