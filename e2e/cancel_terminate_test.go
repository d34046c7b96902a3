package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"minigroups/workflows"
)

// These tests press Cancel, Terminate and Pause. They run in parallel, because most of their time they wait for the
// sweeper.

func TestACancelDuringTheUndoDoesNotStopIt(t *testing.T) {
	t.Parallel()
	c, restore := undoingClass(t)
	c.cancel()
	c.awaitRetryOf("CloseRoomIfPresent")
	restore()
	if r := c.awaitFailed(); r.Failure.Type != "upstream_refused" {
		t.Fatalf("the failure is not the refusal that began the undo: %s", r.text)
	}
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED)
}

func TestASecondCancelDoesNotStopTheUndoOfTheFirst(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.setFault(sut.conference, createFails)
	restore := c.setFault(sut.event, patchFails)
	c.postAsync()
	c.awaitAttempt("event", "held")
	c.awaitRetryOf("CreateConferenceRoom")
	c.cancel()
	c.awaitRowState("undoing")
	c.awaitRetryOf("CloseRoomIfPresent")
	if len(c.openRooms(sut.event)) == 0 {
		t.Fatal("the undo has ended, so this tests nothing")
	}
	c.cancel()
	restore()
	if r := c.awaitFailed(); r.Failure.Type != "operation_cancelled" {
		t.Fatalf("got %s", r.text)
	}
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED)
}

// TestACancelDuringEstablishChangesNothing locks the row so that Establish waits. After the cancel, Temporal runs the
// workflow function again from its first line, already cancelled.
func TestACancelDuringEstablishChangesNothing(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.setFault(sut.conference, createLate(500))
	c.postAsync()
	tx, err := sut.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	c.awaitAttempt("conference", "sent")
	if _, err := tx.Exec(t.Context(), `SELECT FROM minigroup WHERE id = $1 FOR NO KEY UPDATE`, c.id); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if c.count(`
			SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
			AND query LIKE '%SET state = ''ready''%' AND $1::uuid IS NOT NULL`) == 0 {
			return errors.New("no Establish waits for the row")
		}
		return nil
	})
	c.cancel()
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := c.awaitStatus("real-time")
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	c.assertComplete(r.object)
	if got := c.get(); got.text != r.text {
		t.Fatalf("got %s, want %s", got.text, r.text)
	}
}

func TestACancelOfAnUpdateBeforeItsPivotChangesNothing(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	before := c.post().want(t, http.StatusCreated)
	rooms := c.openRooms(sut.conference)
	c.setFault(sut.conference, readFails)
	c.putAsync(windowAndReserve(c.start+60, c.start+120, 20))
	c.awaitRetryOf("BeginUpdate")
	c.cancel()
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED)
	recordHistory(t, "update cancelled before its pivot", c.workflowID())
	after := c.get()
	if after.Update == nil || after.Update.State != "failed" || after.Update.Failure.Type != "operation_cancelled" {
		t.Fatalf("got %s", after.text)
	}
	if *after.Time[0] != c.start || *after.Reserve != 8 {
		t.Fatalf("the class changed: %s", after.text)
	}
	if room := c.openRooms(sut.conference)[0]; *room.Time[0] != *rooms[0].Time[0] {
		t.Fatalf("conference changed: %+v, was %+v", room, rooms[0])
	}
	c.assertComplete(before.object)
}

func TestATerminatedUndoIsRepeated(t *testing.T) {
	t.Parallel()
	c, restore := undoingClass(t)
	first := c.latestRun()
	c.terminate()
	sweepUntil(t, workflows.ScheduleClasses, func() error {
		_, kind, status := describeLatest(t, c.workflowID())
		if kind != "UndoMinigroup" || status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			return fmt.Errorf("the latest run is a %s and %s", kind, status)
		}
		return nil
	})
	t.Run("a concurrent POST receives a conflict with Retry-After", func(t *testing.T) {
		c.post().wantInProgress(t)
	})
	c.awaitRetryOf("CloseRoomIfPresent")
	second := c.latestRun()
	c.terminate()
	if len(c.openRooms(sut.event)) == 0 {
		t.Fatal("the undo has ended, so this tests nothing")
	}
	restore()
	sweepUntil(t, workflows.ScheduleClasses, func() error {
		return c.isInRowState("failed")
	})
	if third := c.latestRun(); third == first || third == second {
		t.Fatal("no third run undid it")
	}
	if r := c.awaitFailed(); r.Failure.Type != "upstream_refused" {
		t.Fatalf("the failure is not the refusal that began the undo: %s", r.text)
	}
}

func TestATerminatedCloseRoomIsStartedAgain(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.setFault(sut.conference, createLate(3500))
	restore := c.setFault(sut.conference, closeFails)
	c.postAsync()
	c.awaitAttempt("event", "held")
	c.awaitAttempt("conference", "sent")
	c.cancel()
	c.awaitStatus("failed")
	var room string
	const releasing = `
		SELECT room_id FROM room_attempt WHERE class_id = $1 AND state = 'releasing' AND room_id IS NOT NULL`
	eventually(t, func() error { return sut.db.QueryRow(t.Context(), releasing, c.id).Scan(&room) })
	id := "room/conference/" + room
	awaitActivityRetry(t, id, "CloseRoomIfPresent")
	terminate(t, id)
	if len(c.openRooms(sut.conference)) != 1 {
		t.Fatal("the room is closed, so this tests nothing")
	}
	restore()
	sweepUntil(t, workflows.ScheduleClasses, func() error {
		if n := len(c.openRooms(sut.conference)); n != 0 {
			return fmt.Errorf("%d rooms are open", n)
		}
		return nil
	})
	c.awaitFailed()
}

func TestAPostRightAfterATerminate(t *testing.T) {
	t.Parallel()
	for name, host := range map[string]string{
		"with the same draft": "teacher.example.org", "with another draft": "another.example.org",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClass(t)
			// Conference makes the room while the second run works, and answers the worker that the first run used.
			restore := c.setFault(sut.conference, createLate(2500))
			c.postAsync()
			c.awaitAttempt("event", "held")
			if len(c.openRooms(sut.conference)) != 0 {
				t.Fatal("conference was not late, so this tests nothing")
			}
			c.terminate()
			restore()
			c.body["host"] = host
			r := c.post()
			if r.code != http.StatusCreated {
				t.Fatalf("got %d %s", r.code, r.text)
			}
			if r.Host != host {
				t.Fatalf("got %s", r.text)
			}
			eventually(t, c.hasNoOpenAttempts) // the reply to the first run's request was received
			c.awaitComplete()
		})
	}
}

func TestAPausedStepWaitsUntilItIsUnpaused(t *testing.T) {
	t.Parallel()
	c, control := newClass(t), newClass(t)
	restoreBoth := []func(){c.setFault(sut.conference, createFails), control.setFault(sut.conference, createFails)}
	c.postAsync()
	control.postAsync()
	c.awaitRetryOf("CreateConferenceRoom")
	control.awaitRetryOf("CreateConferenceRoom")
	pause := &workflowservice.PauseActivityRequest{
		Namespace: sut.cfg.Temporal.Namespace, Execution: execution(c.workflowID(), ""),
		Activity: &workflowservice.PauseActivityRequest_Type{Type: "CreateConferenceRoom"},
		Identity: "e2e", Reason: "a test pressed Pause",
	}
	if _, err := sut.client.WorkflowService().PauseActivity(t.Context(), pause); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		d, err := sut.client.DescribeWorkflowExecution(t.Context(), c.workflowID(), "")
		if err != nil {
			return err
		}
		if state := d.GetPendingActivities()[0].GetState(); state != enumspb.PENDING_ACTIVITY_STATE_PAUSED {
			return fmt.Errorf("the activity is %s", state)
		}
		return nil
	})
	for _, restore := range restoreBoth {
		restore()
	}
	control.awaitStatus("real-time") // its next attempt was due at about the same time
	if n := len(c.rooms(sut.conference)); n != 0 || c.rowState() != "creating" {
		t.Fatalf("the paused step continued: the row is %s, there are %d conference rooms", c.rowState(), n)
	}
	unpause := &workflowservice.UnpauseActivityRequest{
		Namespace: sut.cfg.Temporal.Namespace, Execution: execution(c.workflowID(), ""),
		Activity: &workflowservice.UnpauseActivityRequest_Type{Type: "CreateConferenceRoom"},
		Identity: "e2e",
	}
	if _, err := sut.client.WorkflowService().UnpauseActivity(t.Context(), unpause); err != nil {
		t.Fatal(err)
	}
	c.assertComplete(c.awaitStatus("real-time").object)
}
