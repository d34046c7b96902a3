package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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

// upgrade pastes the commands of docs/upgrading.md in which these words stand into a shell.
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
		cmd := exec.CommandContext(t.Context(), "bash", "-uc", line)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+sut.cfg.Temporal.Address, "DEPLOYMENT="+versioned, "OLD="+before, "NEW="+after)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
		return
	}
	t.Fatalf("docs/upgrading.md has no command with %s", words)
}

// useVersionedQueue has this test's API and sweeps use a task queue of its own until it ends. It returns how to start a worker there.
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

// polls waits until workers of the build ask for workflow tasks and for activities.
func awaitPolling(t *testing.T, build string) {
	t.Helper()
	eventually(t, func() error {
		version, err := sut.client.WorkflowService().DescribeWorkerDeploymentVersion(t.Context(), &workflowservice.DescribeWorkerDeploymentVersionRequest{
			Namespace:         sut.cfg.Temporal.Namespace,
			DeploymentVersion: &deploymentpb.WorkerDeploymentVersion{DeploymentName: versioned, BuildId: build},
		})
		if err != nil {
			return err
		}
		if queues := version.GetVersionTaskQueues(); len(queues) != 2 {
			return fmt.Errorf("build %s polls %v", build, queues)
		}
		return nil
	})
}

// build returns the build that the latest run under the id is with; empty if none.
func buildOf(t *testing.T, workflowID string) string {
	t.Helper()
	described, err := sut.client.DescribeWorkflowExecution(t.Context(), workflowID, "")
	if err != nil {
		t.Fatal(err)
	}
	return described.GetWorkflowExecutionInfo().GetVersioningInfo().GetDeploymentVersion().GetBuildId()
}

// awaitBuild waits until the latest run under the id is with the build.
func awaitBuild(t *testing.T, workflowID, want string) {
	t.Helper()
	eventually(t, func() error {
		if got := buildOf(t, workflowID); got != want {
			return fmt.Errorf("%s is with build %q, want %q", workflowID, got, want)
		}
		return nil
	})
}

// stuck makes a class whose create waits for conference.
func stuckClass(t *testing.T) (c *class, restore func()) {
	t.Helper()
	c = newClass(t)
	restore = c.setFault(sut.conference, createFails)
	c.post("Prefer", "respond-async").want(t, http.StatusAccepted)
	c.awaitRetryOf("CreateConferenceRoom")
	return c, restore
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
	awaitBuild(t, before.workflowID(), "1") // what began without a build goes to the first that is current
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
	eventually(t, func() error { // what can be searched for lags behind
		runUpgradeCommand(t, "update-options", "1", "2")
		if got := buildOf(t, left.workflowID()); got != "2" {
			return fmt.Errorf("the run is with build %q", got)
		}
		return nil
	})
	left.assertComplete(left.awaitStatus("real-time").object)
}
