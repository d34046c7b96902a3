package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"minigroups/minigroup"
	"minigroups/sandbox"
	"minigroups/workflows"
)

func TestAResetOfAFailedCreateRetriesIt(t *testing.T) {
	t.Parallel()
	c := failedClass(t)
	c.resetToFirst(c.latestRun())
	c.assertComplete(c.awaitStatus("real-time").object)
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
}

func TestAResetOfARunningCreateContinuesIt(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	restore := c.setFault(sut.conference, createFails)
	c.postAsync()
	c.awaitRetryOf("CreateConferenceRoom")
	c.resetToFirst(c.latestRun())
	c.awaitRetryOf("CreateConferenceRoom")
	restore()
	c.awaitComplete()
	c.assertOneRoomMade()
}

func TestAResetOfACancelledCreateRetriesIt(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	restore := c.setFault(sut.conference, createFails)
	c.postAsync()
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
	c.assertOneRoomMade()
}

func TestAResetOfAnUpdateChangesNothing(t *testing.T) {
	t.Parallel()
	t.Run("that is done, with a later one done after it", func(t *testing.T) {
		t.Parallel()
		c := newClass(t)
		c.post().want(t, http.StatusCreated)
		c.put(window(c.start+60, c.start+120)).want(t, http.StatusOK)
		first := c.latestRun()
		last := c.put(window(c.start+600, c.start+1200)).want(t, http.StatusOK)
		c.resetToFirst(first)
		c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
		c.assertMoved(last.object, c.start+600)
	})
	t.Run("that was refused", func(t *testing.T) {
		t.Parallel()
		c := newClass(t)
		before := c.post().want(t, http.StatusCreated)
		restore := c.setFault(sut.conference, patchRefused)
		c.put(windowAndReserve(c.start+60, c.start+120, 20)).want(t, http.StatusUnprocessableEntity)
		restore()
		c.resetToFirst(c.latestRun())
		c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_FAILED)
		if o := c.get(); o.Update == nil || o.Update.State != "failed" {
			t.Fatalf("got %s", o.text)
		}
		c.assertMoved(before.object, c.start)
	})
}

func TestAResetOfAnOldRunWhileAnotherIsOpen(t *testing.T) {
	t.Parallel()
	t.Run("a create, which continues", func(t *testing.T) {
		t.Parallel()
		c := failedClass(t)
		old := c.latestRun()
		restore := c.setFault(sut.conference, createFails)
		c.postAsync()
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
		restore := c.setFault(sut.conference, patchFails)
		c.putAsync(window(c.start+60, c.start+120))
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

// stuckInSecondTask returns a class whose create has completed two workflow tasks: it has a conference room, and
// retries to lock the chat until restore is called.
func stuckInSecondTask(t *testing.T) (c *class, restore func()) {
	t.Helper()
	c = newClass(t)
	restore = c.setFault(sut.event, lockFails)
	restoreCreate := c.setFault(sut.conference, createFails)
	c.postAsync()
	c.awaitRetryOf("CreateConferenceRoom")
	c.awaitRetryOf("LockRoom")
	restoreCreate()
	eventually(t, func() error {
		if tasks := c.workflowTaskEnds(c.latestRun()); len(tasks) < 2 {
			return fmt.Errorf("workflow tasks end at the events %v", tasks)
		}
		return nil
	})
	return c, restore
}

// TestAResetToTheMiddle makes a new run repeat the later steps of another. The new run never executed begin, so it does
// not own the row.
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
		c.setFault(sut.event, sandbox.Fault{
			Operation: sandbox.OperationLock, Do: sandbox.EffectRefuse, Type: "access_denied", Status: http.StatusForbidden,
		})
		restore()
		c.awaitStatus("failed")
		c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_FAILED)
		c.resetToLast()
		c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_FAILED)
		c.awaitFailed()
	})
	t.Run("of a running create undoes it", func(t *testing.T) {
		t.Parallel()
		c, restore := stuckInSecondTask(t)
		c.resetToLast()
		run := c.latestRun()
		restore()
		var failure *temporal.ApplicationError
		err := sut.client.GetWorkflow(t.Context(), c.workflowID(), run).Get(t.Context(), nil)
		if !errors.As(err, &failure) || failure.Type() != string(minigroup.OperationCancelled) {
			t.Fatalf("the run ended with %v", err)
		}
		recordRun(t, "create reset to its middle", c.workflowID(), run)
		c.awaitFailed()
	})
}
