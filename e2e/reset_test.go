package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"

	"minigroups/sandbox"
	"minigroups/workflows"
)

func execution(workflowID, run string) *commonpb.WorkflowExecution {
	return &commonpb.WorkflowExecution{WorkflowId: workflowID, RunId: run}
}

// tasks lists the events that end the workflow tasks of a run: the places to which it can be reset.
func (c *class) workflowTaskEnds(run string) (events []int64) {
	c.t.Helper()
	history := sut.client.GetWorkflowHistory(c.t.Context(), c.workflowID(), run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		if err != nil {
			c.t.Fatal(err)
		}
		if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			events = append(events, event.GetEventId())
		}
	}
	return events
}

// reset resets a run to the end of a workflow task and returns the run that goes on from there.
func (c *class) reset(run string, event int64) string {
	c.t.Helper()
	r, err := sut.client.ResetWorkflowExecution(c.t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: sut.cfg.Temporal.Namespace, WorkflowExecution: execution(c.workflowID(), run),
		Reason: "a test pressed Reset", RequestId: uuid.NewString(), WorkflowTaskFinishEventId: event,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return r.GetRunId()
}

func (c *class) resetToFirst(run string) string {
	c.t.Helper()
	return c.reset(run, c.workflowTaskEnds(run)[0])
}

// failed makes a class whose create was refused, without the cause.
func failedClass(t *testing.T) *class {
	t.Helper()
	c := newClass(t)
	restore := c.setFault(sut.conference, createRefused)
	c.post().want(t, http.StatusUnprocessableEntity)
	restore()
	return c
}

func TestAResetOfAFailedCreateRetriesIt(t *testing.T) {
	t.Parallel()
	c := failedClass(t)
	c.resetToFirst(c.latestRun())
	c.assertComplete(c.awaitStatus("real-time").object)
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
}

func TestAResetOfARunningCreateGoesOn(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	restore := c.setFault(sut.conference, createFails)
	c.post("Prefer", "respond-async").want(t, http.StatusAccepted)
	c.awaitRetryOf("CreateConferenceRoom")
	c.resetToFirst(c.latestRun())
	c.awaitRetryOf("CreateConferenceRoom")
	restore()
	c.awaitComplete()
	if e, v := c.rooms(sut.event), c.rooms(sut.conference); len(e) != 1 || len(v) != 1 {
		t.Fatalf("%d event rooms and %d conference rooms were made", len(e), len(v))
	}
}

func TestAResetOfACancelledCreateRetriesIt(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	restore := c.setFault(sut.conference, createFails)
	c.post("Prefer", "respond-async").want(t, http.StatusAccepted)
	c.awaitRetryOf("CreateConferenceRoom")
	c.cancel()
	c.awaitStatus("failed")
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED)
	restore()
	c.resetToFirst(c.latestRun())
	c.awaitStatus("real-time")
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	c.awaitComplete()
}

func TestAResetOfACompletedCreateChangesNothing(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	before := c.post().want(t, http.StatusCreated)
	c.resetToFirst(c.latestRun())
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	if after := c.get(); after.text != before.text {
		t.Fatalf("got %s, want %s", after.text, before.text)
	}
	c.assertComplete(before.object)
	if e, v := c.rooms(sut.event), c.rooms(sut.conference); len(e) != 1 || len(v) != 1 {
		t.Fatalf("%d event rooms and %d conference rooms were made", len(e), len(v))
	}
}

func TestAResetOfAnUpdateChangesNothing(t *testing.T) {
	t.Parallel()
	t.Run("that was done, and overtaken by another", func(t *testing.T) {
		t.Parallel()
		c := newClass(t)
		c.post().want(t, http.StatusCreated)
		c.put(map[string]any{"time": []int64{c.start + 60, c.start + 120}}).want(t, http.StatusOK)
		first := c.latestRun()
		last := c.put(map[string]any{"time": []int64{c.start + 600, c.start + 1200}}).want(t, http.StatusOK)
		c.resetToFirst(first)
		c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
		c.assertMoved(last.object, c.start+600)
	})
	t.Run("that was refused", func(t *testing.T) {
		t.Parallel()
		c := newClass(t)
		before := c.post().want(t, http.StatusCreated)
		restore := c.setFault(sut.conference, patchRefused)
		c.put(map[string]any{"time": []int64{c.start + 60, c.start + 120}, "reserve": 20}).want(t, http.StatusUnprocessableEntity)
		restore()
		c.resetToFirst(c.latestRun())
		c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_FAILED)
		if o := c.get(); o.Update == nil || o.Update.State != "failed" {
			t.Fatalf("got %s", o.text)
		}
		c.assertMoved(before.object, c.start)
	})
}

// moved asserts that the row and conference agree on the start, and that the rest is as the object shows.
func (c *class) assertMoved(o object, start int64) {
	c.t.Helper()
	now, room := c.get(), c.openRooms(sut.conference)[0]
	if *now.Time[0] != start || *room.Time[0] != start || *now.Time[1] != *o.Time[1] {
		c.t.Fatalf("want a start at %d, conference has %d: %s", start, *room.Time[0], now.text)
	}
	c.assertComplete(o)
}

func TestAResetOfAnOldRunBesideAnOpenOne(t *testing.T) {
	t.Parallel()
	t.Run("a create", func(t *testing.T) {
		t.Parallel()
		c := failedClass(t)
		old := c.latestRun()
		restore := c.setFault(sut.conference, createFails)
		c.post("Prefer", "respond-async").want(t, http.StatusAccepted)
		c.awaitRetryOf("CreateConferenceRoom")
		c.awaitAttempt("event", "held")
		c.resetToFirst(old)
		restore()
		c.awaitComplete()
		c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	})
	t.Run("an update, which is finished", func(t *testing.T) {
		t.Parallel()
		c := failedClass(t)
		old := c.latestRun()
		c.post().want(t, http.StatusCreated)
		restore := c.setFault(sut.conference, sandbox.Fault{Operation: sandbox.OperationUpdate, Do: sandbox.EffectFail})
		c.put(map[string]any{"time": []int64{c.start + 60, c.start + 120}}, "Prefer", "respond-async").want(t, http.StatusAccepted)
		c.awaitRetryOf("PatchConferenceRoom")
		c.resetToFirst(old)
		restore()
		sweepUntil(t, workflows.ScheduleClasses, func() error {
			if o := c.get(); o.Update != nil {
				return fmt.Errorf("got %s", o.text)
			}
			return nil
		})
		c.assertMoved(c.get().object, c.start+60)
	})
}

// stuckInSecondTask makes a class whose create has come through a second workflow task: it has a conference room, and waits for
// event to lock the chat until restore is called.
func stuckInSecondTask(t *testing.T) (c *class, restore func()) {
	t.Helper()
	c = newClass(t)
	restore = c.setFault(sut.event, lockFails)
	first := c.setFault(sut.conference, createFails)
	c.post("Prefer", "respond-async").want(t, http.StatusAccepted)
	c.awaitRetryOf("CreateConferenceRoom")
	c.awaitRetryOf("LockRoom")
	first()
	eventually(t, func() error {
		if tasks := c.workflowTaskEnds(c.latestRun()); len(tasks) < 2 {
			return fmt.Errorf("workflow tasks end at %v", tasks)
		}
		return nil
	})
	return c, restore
}

// resetToLast resets the latest run to its last workflow task.
func (c *class) resetToLast() {
	c.t.Helper()
	run := c.latestRun()
	tasks := c.workflowTaskEnds(run)
	if len(tasks) < 2 {
		c.t.Fatal("the run has one workflow task, so nothing is tried here")
	}
	if next := c.reset(run, tasks[len(tasks)-1]); c.latestRun() != next {
		c.t.Fatal("the run that goes on is not the latest")
	}
}

// TestAResetToTheMiddle repeats steps for a run that never began.
func TestAResetToTheMiddle(t *testing.T) {
	t.Parallel()
	t.Run("of a create that is ready changes nothing", func(t *testing.T) {
		t.Parallel()
		c, restore := stuckInSecondTask(t)
		restore()
		before := c.awaitStatus("real-time")
		c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
		c.resetToLast()
		c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
		if after := c.get(); after.text != before.text {
			t.Fatalf("got %s, want %s", after.text, before.text)
		}
		c.assertComplete(before.object)
	})
	t.Run("of a create that has failed leaves it failed", func(t *testing.T) {
		t.Parallel()
		c, restore := stuckInSecondTask(t)
		c.setFault(sut.event, sandbox.Fault{Operation: sandbox.OperationLock, Do: sandbox.EffectRefuse, Type: "access_denied", Status: http.StatusForbidden})
		restore()
		c.awaitStatus("failed")
		c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_FAILED)
		c.resetToLast()
		c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_FAILED)
		c.awaitFailed()
	})
	t.Run("of a create that is going on is refused, and the sweeper undoes it", func(t *testing.T) {
		t.Parallel()
		c, restore := stuckInSecondTask(t)
		c.resetToLast()
		restore()
		c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_FAILED)
		var refusal *temporal.ApplicationError
		if err := sut.client.GetWorkflow(t.Context(), c.workflowID(), "").Get(t.Context(), nil); !errors.As(err, &refusal) || refusal.Type() != "superseded" {
			t.Fatalf("the run ended with %v", err)
		}
		recordHistory(t, "create reset to its middle", c.workflowID())
		sweepUntil(t, workflows.ScheduleClasses, func() error {
			if state := c.rowState(); state != "failed" {
				return fmt.Errorf("the row is %s", state)
			}
			return nil
		})
		c.awaitFailed()
	})
}
