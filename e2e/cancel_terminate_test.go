package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"minigroups/sandbox"
	"minigroups/workflows"
)

// What people press in the Temporal UI. These tests run at the same time: most of what they do is to wait for the sweeper.

// latest returns the run id, the type and the status of the latest run of a workflow id.
func describeLatest(t testing.TB, workflowID string) (run, kind string, status enumspb.WorkflowExecutionStatus) {
	t.Helper()
	d, err := sut.client.DescribeWorkflowExecution(t.Context(), workflowID, "")
	if err != nil {
		t.Fatal(err)
	}
	info := d.GetWorkflowExecutionInfo()
	return info.GetExecution().GetRunId(), info.GetType().GetName(), info.GetStatus()
}

func (c *class) latestRun() string {
	c.t.Helper()
	run, _, _ := describeLatest(c.t, c.workflowID())
	return run
}

// ends waits until the latest run of the class has ended so.
func (c *class) awaitRunStatus(want enumspb.WorkflowExecutionStatus) {
	c.t.Helper()
	eventually(c.t, func() error {
		if _, kind, status := describeLatest(c.t, c.workflowID()); status != want {
			return fmt.Errorf("the run of %s is %s, want %s", kind, status, want)
		}
		return nil
	})
}

func (c *class) cancel() {
	c.t.Helper()
	if err := sut.client.CancelWorkflow(c.t.Context(), c.workflowID(), ""); err != nil {
		c.t.Fatal(err)
	}
}

// state is the state of the row, which tells more than the API does.
func (c *class) rowState() (state string) {
	c.t.Helper()
	if err := sut.db.QueryRow(c.t.Context(), `SELECT state FROM minigroup WHERE id = $1`, c.id).Scan(&state); err != nil {
		c.t.Fatal(err)
	}
	return state
}

func (c *class) awaitRowState(state string) {
	c.t.Helper()
	eventually(c.t, func() error {
		if got := c.rowState(); got != state {
			return fmt.Errorf("the row is %s, want %s", got, state)
		}
		return nil
	})
}

// has waits until the ledger has an attempt of this kind and state.
func (c *class) awaitAttempt(kind, state string) {
	c.t.Helper()
	eventually(c.t, func() error {
		var n int
		err := sut.db.QueryRow(c.t.Context(), `SELECT count(*) FROM room_attempt WHERE class_id = $1 AND kind = $2 AND state = $3`, c.id, kind, state).Scan(&n)
		if err != nil || n == 0 {
			return fmt.Errorf("no attempt at %s is %s: %w", kind, state, err)
		}
		return nil
	})
}

// waits waits until a step of the latest run has failed as a regular activity and waits to be tried again.
func (c *class) awaitRetryOf(activity string) {
	c.t.Helper()
	awaitActivityRetry(c.t, c.workflowID(), activity)
}

// pauses waits until an activity of this type has failed and waits to be tried again.
func awaitActivityRetry(t testing.TB, workflowID, activity string) {
	t.Helper()
	eventually(t, func() error {
		d, err := sut.client.DescribeWorkflowExecution(t.Context(), workflowID, "")
		if err != nil {
			return err
		}
		for _, pending := range d.GetPendingActivities() {
			if pending.GetActivityType().GetName() == activity && pending.GetState() == enumspb.PENDING_ACTIVITY_STATE_SCHEDULED && pending.GetLastFailure() != nil {
				return nil
			}
		}
		return fmt.Errorf("%s is not waiting to be tried again", activity)
	})
}

// settles waits until one room of each kind is open and the gateway has one for the class, and asserts that the object shows them.
func (c *class) awaitComplete() {
	c.t.Helper()
	c.awaitStatus("real-time")
	sweepUntil(c.t.(*testing.T), workflows.ScheduleGateways, func() error {
		if e, v, g := c.openRooms(sut.event), c.openRooms(sut.conference), c.gatewayRooms(); len(e) != 1 || len(v) != 1 || len(g) != 1 {
			return fmt.Errorf("open in event %d, in conference %d, on the gateway %v", len(e), len(v), g)
		}
		return nil
	})
	c.assertComplete(c.get().object)
}

// vanishes waits until nothing of the class is left, and asserts that it has failed.
func (c *class) awaitFailed() reply {
	c.t.Helper()
	r := c.awaitStatus("failed")
	sweepUntil(c.t.(*testing.T), workflows.ScheduleGateways, func() error {
		if n := c.count(`SELECT count(*) FROM janus_reservation WHERE class_id = $1 AND state <> 'released'`); n != 0 {
			return fmt.Errorf("%d reservations count", n)
		}
		if n := len(c.openRooms(sut.event)) + len(c.openRooms(sut.conference)); n != 0 {
			return fmt.Errorf("%d rooms are open", n)
		}
		return nil
	})
	c.assertNothingLeft()
	return r
}

func (c *class) put(change map[string]any, headers ...string) reply {
	c.t.Helper()
	return request(c.t, http.MethodPut, c.path(), change, headers...)
}

var (
	createFails   = sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectFail}
	createRefused = sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectRefuse, Type: "access_denied", Status: http.StatusForbidden}
	lockFails     = sandbox.Fault{Operation: sandbox.OperationLock, Do: sandbox.EffectFail}
	readFails     = sandbox.Fault{Operation: sandbox.OperationRead, Do: sandbox.EffectFail}
	patchFails    = sandbox.Fault{Operation: sandbox.OperationUpdate, Do: sandbox.EffectFail} // of an event room: its close
	patchRefused  = sandbox.Fault{Operation: sandbox.OperationUpdate, Do: sandbox.EffectRefuse, Type: "room_time_changing_forbidden"}
	closeFails    = sandbox.Fault{Operation: sandbox.OperationClose, Do: sandbox.EffectFail}
)

// undoing makes a class whose create was refused and whose undo cannot close the event room until restore is called.
func undoingClass(t *testing.T) (c *class, restore func()) {
	t.Helper()
	c = newClass(t)
	waiting := c.setFault(sut.conference, createFails)
	restore = c.setFault(sut.event, patchFails)
	c.post("Prefer", "respond-async").want(t, http.StatusAccepted)
	c.awaitAttempt("event", "held")
	c.setFault(sut.conference, createRefused)
	waiting()
	c.awaitRowState("undoing")
	return c, restore
}

func TestACancelDuringTheUndoDoesNotStopIt(t *testing.T) {
	t.Parallel()
	c, restore := undoingClass(t)
	c.cancel()
	c.awaitRetryOf("CloseRoomIfPresent")
	restore()
	if r := c.awaitFailed(); r.Failure.Type != "upstream_refused" {
		t.Fatalf("the reason is not the first: %s", r.text)
	}
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED)
}

func TestASecondCancelDoesNotStopTheUndoOfTheFirst(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.setFault(sut.conference, createFails)
	restore := c.setFault(sut.event, patchFails)
	c.post("Prefer", "respond-async").want(t, http.StatusAccepted)
	c.awaitAttempt("event", "held")
	c.awaitRetryOf("CreateConferenceRoom")
	c.cancel()
	c.awaitRowState("undoing")
	c.awaitRetryOf("CloseRoomIfPresent")
	if len(c.openRooms(sut.event)) == 0 {
		t.Fatal("the undo has ended, so nothing is tried here")
	}
	c.cancel()
	restore()
	if r := c.awaitFailed(); r.Failure.Type != "operation_cancelled" {
		t.Fatalf("got %s", r.text)
	}
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED)
}

// TestACancelBesideEstablishChangesNothing holds the row while it is being established. The cancel then makes Temporal
// start the function again from its first line, already cancelled.
func TestACancelBesideEstablishChangesNothing(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.setFault(sut.conference, sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLate, DelayMS: 500})
	c.post("Prefer", "respond-async").want(t, http.StatusAccepted)
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
		if c.count(`SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%SET state = ''ready''%' AND $1::uuid IS NOT NULL`) == 0 {
			return errors.New("nothing is being established")
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
	c.put(map[string]any{"time": []int64{c.start + 60, c.start + 120}, "reserve": 20}, "Prefer", "respond-async").want(t, http.StatusAccepted)
	c.awaitRetryOf("BeginUpdate")
	c.cancel()
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED)
	recordHistory(t, "update cancelled before its pivot", c.workflowID())
	after := c.get()
	if after.Update == nil || after.Update.State != "failed" || after.Update.Failure.Type != "operation_cancelled" || *after.Time[0] != c.start || *after.Reserve != 8 {
		t.Fatalf("got %s", after.text)
	}
	if room := c.openRooms(sut.conference)[0]; *room.Time[0] != *rooms[0].Time[0] {
		t.Fatalf("conference changed: %+v, was %+v", room, rooms[0])
	}
	c.assertComplete(before.object)
}

func TestATerminatedUndoIsDoneAgain(t *testing.T) {
	t.Parallel()
	c, restore := undoingClass(t)
	first := c.latestRun()
	c.terminate()
	sweepUntil(t, workflows.ScheduleClasses, func() error {
		if _, kind, status := describeLatest(t, c.workflowID()); kind != "UndoMinigroup" || status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			return fmt.Errorf("the latest run is a %s and %s", kind, status)
		}
		return nil
	})
	t.Run("a POST beside it is told to come back", func(t *testing.T) {
		r := request(t, http.MethodPost, "/api/v1/minigroups", c.body).want(t, http.StatusConflict)
		if r.Type != "operation_in_progress" || r.header.Get("Retry-After") == "" {
			t.Fatalf("got %v %s", r.header, r.text)
		}
	})
	c.awaitRetryOf("CloseRoomIfPresent")
	second := c.latestRun()
	c.terminate()
	if len(c.openRooms(sut.event)) == 0 {
		t.Fatal("the undo has ended, so nothing is tried here")
	}
	restore()
	sweepUntil(t, workflows.ScheduleClasses, func() error {
		if state := c.rowState(); state != "failed" {
			return fmt.Errorf("the row is %s", state)
		}
		return nil
	})
	if third := c.latestRun(); third == first || third == second {
		t.Fatal("no third run has undone it")
	}
	if r := c.awaitFailed(); r.Failure.Type != "upstream_refused" {
		t.Fatalf("the reason is not the first: %s", r.text)
	}
}

func TestATerminatedCloseOfARoomIsStartedAgain(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.setFault(sut.conference, sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLate, DelayMS: 3500})
	restore := c.setFault(sut.conference, closeFails)
	c.post("Prefer", "respond-async").want(t, http.StatusAccepted)
	c.awaitAttempt("event", "held")
	c.cancel()
	c.awaitStatus("failed")
	var room string
	eventually(t, func() error {
		return sut.db.QueryRow(t.Context(),
			`SELECT room_id FROM room_attempt WHERE class_id = $1 AND state = 'releasing' AND room_id IS NOT NULL`, c.id).Scan(&room)
	})
	id := "room/conference/" + room
	awaitActivityRetry(t, id, "CloseRoomIfPresent")
	if err := sut.client.TerminateWorkflow(t.Context(), id, "", "a test pressed Terminate"); err != nil {
		t.Fatal(err)
	}
	if len(c.openRooms(sut.conference)) != 1 {
		t.Fatal("the room is closed, so nothing is tried here")
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
	for name, host := range map[string]string{"with the same draft": "teacher.example.org", "with another draft": "another.example.org"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClass(t)
			// The room is made while the second run is at work, and its reply goes to the worker of the first.
			restore := c.setFault(sut.conference, sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLate, DelayMS: 2500})
			c.post("Prefer", "respond-async").want(t, http.StatusAccepted)
			c.awaitAttempt("event", "held")
			if len(c.openRooms(sut.conference)) != 0 {
				t.Fatal("conference was not late, so nothing is tried here")
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
			eventually(t, func() error { // the reply of the first run's request is there
				if n := c.count(`SELECT count(*) FROM room_attempt WHERE class_id = $1 AND (state = 'sent' OR state = 'releasing')`); n != 0 {
					return fmt.Errorf("%d attempts are open", n)
				}
				return nil
			})
			c.awaitComplete()
		})
	}
}

func TestAPausedStepHoldsAndGoesOn(t *testing.T) {
	t.Parallel()
	c, control := newClass(t), newClass(t)
	restoreBoth := []func(){c.setFault(sut.conference, createFails), control.setFault(sut.conference, createFails)}
	c.post("Prefer", "respond-async").want(t, http.StatusAccepted)
	control.post("Prefer", "respond-async").want(t, http.StatusAccepted)
	c.awaitRetryOf("CreateConferenceRoom")
	control.awaitRetryOf("CreateConferenceRoom")
	pause := &workflowservice.PauseActivityRequest{
		Namespace: sut.cfg.Temporal.Namespace, Execution: execution(c.workflowID(), ""),
		Activity: &workflowservice.PauseActivityRequest_Type{Type: "CreateConferenceRoom"}, Identity: "e2e", Reason: "a test pressed Pause",
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
	control.awaitStatus("real-time") // it was tried last at about the same time
	if n := len(c.rooms(sut.conference)); n != 0 || c.rowState() != "creating" {
		t.Fatalf("the paused one went on: it is %s and has %d conference rooms", c.rowState(), n)
	}
	unpause := &workflowservice.UnpauseActivityRequest{
		Namespace: sut.cfg.Temporal.Namespace, Execution: execution(c.workflowID(), ""),
		Activity: &workflowservice.UnpauseActivityRequest_Type{Type: "CreateConferenceRoom"}, Identity: "e2e",
	}
	if _, err := sut.client.WorkflowService().UnpauseActivity(t.Context(), unpause); err != nil {
		t.Fatal(err)
	}
	c.assertComplete(c.awaitStatus("real-time").object)
}
