package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"minigroups/workflows"
)

// eventually polls until check returns nil, for at most 90 seconds: the pauses between the attempts of a step double,
// so a step that was stuck for a minute may pause for another.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	within(t, 90*time.Second, check)
}

// within polls until check returns nil. It fails the test when the limit has passed.
func within(t testing.TB, limit time.Duration, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within %s: %v", limit, err)
		}
	}
}

// sweepUntil triggers a sweep repeatedly until check returns nil, for at most as long as eventually polls.
func sweepUntil(t testing.TB, schedule string, check func() error) {
	t.Helper()
	eventually(t, func() error { return errors.Join(sweep(t, schedule), check()) })
}

// sweep triggers a sweep, which does nothing while one runs.
func sweep(t testing.TB, schedule string) error {
	handle := sut.client.ScheduleClient().GetHandle(t.Context(), schedule)
	return handle.Trigger(t.Context(), client.ScheduleTriggerOptions{})
}

// awaitStatus waits until the object has the status, and returns it.
func (c *class) awaitStatus(status string) reply {
	c.t.Helper()
	var last reply
	eventually(c.t, func() error {
		if last = c.get(); last.Status != status {
			return fmt.Errorf("status is %v, want %s: %s", last.Status, status, last.text)
		}
		return nil
	})
	return last
}

func (c *class) awaitRowState(state string) {
	c.t.Helper()
	eventually(c.t, func() error { return c.isInRowState(state) })
}

func (c *class) isInRowState(state string) error {
	c.t.Helper()
	if got := c.rowState(); got != state {
		return fmt.Errorf("the row is %s, want %s", got, state)
	}
	return nil
}

// awaitAttempt waits until the ledger has one attempt of this kind and state.
func (c *class) awaitAttempt(kind, state string) {
	c.t.Helper()
	eventually(c.t, func() error { return c.hasAttempts(1, kind, state) })
}

// hasAttempts returns an error unless the ledger has exactly n attempts of this kind and state.
func (c *class) hasAttempts(n int, kind, state string) error {
	c.t.Helper()
	const query = `SELECT count(*) FROM room_attempt WHERE class_id = $1 AND kind = $2 AND state = $3`
	var got int
	if err := sut.db.QueryRow(c.t.Context(), query, c.id, kind, state).Scan(&got); err != nil {
		return err
	}
	if got != n {
		return fmt.Errorf("%d %s attempts are %s, want %d", got, kind, state, n)
	}
	return nil
}

// awaitEventRoom waits until event has an open room of the class.
func (c *class) awaitEventRoom() {
	c.t.Helper()
	eventually(c.t, func() error {
		if len(c.openRooms(sut.event)) == 0 {
			return errors.New("event has no room yet")
		}
		return nil
	})
}

// hasNoOpenAttempts returns an error while a room attempt of the class is undecided or its room is to be closed.
func (c *class) hasNoOpenAttempts() error {
	c.t.Helper()
	const query = `SELECT count(*) FROM room_attempt WHERE class_id = $1 AND state IN ('sent', 'releasing')`
	if n := c.count(query); n != 0 {
		return fmt.Errorf("%d attempts are open", n)
	}
	return nil
}

// awaitPatch waits until an update of the class may have sent its PATCH to conference: it has passed its pivot.
func (c *class) awaitPatch() {
	c.t.Helper()
	eventually(c.t, func() error {
		if c.count(`SELECT coalesce(sum(patches), 0) FROM minigroup_update WHERE class_id = $1`) == 0 {
			return errors.New("no PATCH was sent to conference yet")
		}
		return nil
	})
}

// awaitRetryOf waits until a step of the latest run has failed as a regular activity and waits for its next attempt.
func (c *class) awaitRetryOf(activity string) {
	c.t.Helper()
	awaitActivityRetry(c.t, c.workflowID(), activity)
}

// awaitActivityRetry waits until an activity of this type has failed and waits for its next attempt.
func awaitActivityRetry(t testing.TB, workflowID, activity string) {
	t.Helper()
	eventually(t, func() error {
		d, err := sut.client.DescribeWorkflowExecution(t.Context(), workflowID, "")
		if err != nil {
			return err
		}
		for _, pending := range d.GetPendingActivities() {
			isScheduled := pending.GetState() == enumspb.PENDING_ACTIVITY_STATE_SCHEDULED
			if pending.GetActivityType().GetName() == activity && isScheduled && pending.GetLastFailure() != nil {
				return nil
			}
		}
		return fmt.Errorf("%s does not wait for its next attempt", activity)
	})
}

// awaitRooms waits until superseded rooms are closed, then asserts that the class has exactly what it shows.
func (c *class) awaitRooms(o object) {
	c.t.Helper()
	eventually(c.t, func() error {
		if n, m := len(c.openRooms(sut.event)), len(c.openRooms(sut.conference)); n != 1 || m != 1 {
			return fmt.Errorf("%d event rooms and %d conference rooms are open", n, m)
		}
		return nil
	})
	c.assertComplete(o)
}

// awaitComplete waits until the class is real-time and has one room of each kind, then asserts that the object shows
// them. It sweeps the gateways meanwhile.
func (c *class) awaitComplete() {
	c.t.Helper()
	c.awaitStatus("real-time")
	sweepUntil(c.t, workflows.ScheduleGateways, func() error {
		e, v, g := c.openRooms(sut.event), c.openRooms(sut.conference), c.gatewayRooms()
		if len(e) != 1 || len(v) != 1 || len(g) != 1 {
			return fmt.Errorf("open in event %d, in conference %d, on the gateway %v", len(e), len(v), g)
		}
		return nil
	})
	c.assertComplete(c.get().object)
}

// awaitFailed waits until the class has failed and nothing of it is left. It sweeps the gateways meanwhile.
func (c *class) awaitFailed() reply {
	c.t.Helper()
	r := c.awaitStatus("failed")
	sweepUntil(c.t, workflows.ScheduleGateways, func() error {
		if n := c.unreleased(); n != 0 {
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

// awaitUnreserved sweeps the gateways until they have no room of the class.
func (c *class) awaitUnreserved() {
	c.t.Helper()
	sweepUntil(c.t, workflows.ScheduleGateways, func() error {
		if rooms := c.gatewayRooms(); len(rooms) != 0 {
			return fmt.Errorf("the gateway has rooms for %v", rooms)
		}
		return nil
	})
}
