package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"minigroups/clients/janus"
	"minigroups/clients/rest"
	"minigroups/minigroup"
	"minigroups/sandbox"
	"minigroups/workflows"
)

// sweepUntil has the sweeper run again and again until check succeeds, at most 30 seconds.
func sweepUntil(t *testing.T, schedule string, check func() error) {
	t.Helper()
	eventually(t, func() error { return errors.Join(sweep(t, schedule), check()) })
}

// sweep has the sweeper run, unless it does.
func sweep(t *testing.T, schedule string) error {
	return sut.client.ScheduleClient().GetHandle(t.Context(), schedule).Trigger(t.Context(), client.ScheduleTriggerOptions{})
}

func (c *class) terminate() {
	c.t.Helper()
	if err := sut.client.TerminateWorkflow(c.t.Context(), c.workflowID(), "", "a test pressed Terminate"); err != nil {
		c.t.Fatal(err)
	}
}

func TestATerminatedCreateIsUndone(t *testing.T) {
	c := newClass(t)
	restore := c.setFault(sut.conference, sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectHang})
	c.post("Prefer", "respond-async").want(t, http.StatusAccepted)
	eventually(t, func() error {
		if len(c.openRooms(sut.event)) == 0 || len(c.gatewayRooms()) == 0 {
			return fmt.Errorf("nothing was made yet")
		}
		return nil
	})
	c.terminate()
	sweepUntil(t, workflows.ScheduleClasses, func() error {
		if o := c.get(); o.Status != "failed" || o.Failure.Type != "operation_cancelled" {
			return fmt.Errorf("got %s", o.text)
		}
		return nil
	})
	restore()
	recordHistory(t, "undo of a terminated create", c.workflowID())
	c.assertNothingLeft()
	c.assertComplete(c.post().want(t, http.StatusCreated).object)
}

func TestATerminatedUpdateIsFinished(t *testing.T) {
	c := newClass(t)
	c.post().want(t, http.StatusCreated)
	restore := c.setFault(sut.conference, sandbox.Fault{Operation: sandbox.OperationUpdate, Do: sandbox.EffectHang})
	request(t, http.MethodPut, c.path(), map[string]any{"time": []int64{c.start + 60, c.start + 120}}, "Prefer", "respond-async").want(t, http.StatusAccepted)
	eventually(t, func() error {
		if n := c.count(`SELECT coalesce(sum(patches), 0) FROM minigroup_update WHERE class_id = $1`); n == 0 {
			return fmt.Errorf("conference was not asked yet")
		}
		return nil
	})
	c.terminate()
	restore()
	sweepUntil(t, workflows.ScheduleClasses, func() error {
		if o := c.get(); o.Update != nil || *o.Time[0] != c.start+60 {
			return fmt.Errorf("got %s", o.text)
		}
		return nil
	})
	if room := c.openRooms(sut.conference)[0]; *room.Time[0] != c.start+60 {
		t.Fatalf("the conference room is %+v", room)
	}
	c.assertComplete(c.get().object)
	recordHistory(t, "update after it was terminated", c.workflowID())
}

func TestAReadyMinigroupIsLeftAloneBySweeping(t *testing.T) {
	c := newClass(t)
	r := c.post().want(t, http.StatusCreated)
	for name, schedule := range map[string]string{"sweep of the classes": workflows.ScheduleClasses, "sweep of the gateways": workflows.ScheduleGateways} {
		before, _ := sweeps(t, schedule)
		sweepUntil(t, schedule, func() error {
			if n, _ := sweeps(t, schedule); n <= before {
				return fmt.Errorf("no sweep has started since")
			}
			return nil
		})
		_, last := sweeps(t, schedule)
		recordHistory(t, name, last)
	}
	c.assertComplete(r.object)
	if got := c.get(); got.text != r.text {
		t.Fatalf("got %s, want %s", got.text, r.text)
	}
}

// sweeps is how many sweeps a schedule has started, and the workflow id of the last.
func sweeps(t *testing.T, schedule string) (n int, last string) {
	t.Helper()
	d, err := sut.client.ScheduleClient().GetHandle(t.Context(), schedule).Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if recent := d.Info.RecentActions; len(recent) > 0 {
		last = recent[len(recent)-1].StartWorkflowResult.WorkflowID
	}
	return d.Info.NumActions, last
}

func TestAGatewayThatForgotItsRoomsGetsThemBack(t *testing.T) {
	c := newClass(t)
	r := c.post().want(t, http.StatusCreated)
	if err := sut.janus.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := sut.restartJanus(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rooms := c.gatewayRooms(); len(rooms) != 0 {
		t.Fatalf("the restarted gateway has rooms for %v", rooms)
	}
	sweepUntil(t, workflows.ScheduleGateways, func() error {
		if len(c.gatewayRooms()) == 0 {
			return fmt.Errorf("the gateway has no room yet")
		}
		return nil
	})
	c.assertComplete(r.object)
}

func TestARoomThatAGatewayMadeLateIsRemoved(t *testing.T) {
	c := newClass(t)
	restore := c.setFault(sut.conference, sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectRefuse, Type: "access_denied", Status: http.StatusForbidden})
	c.post().want(t, http.StatusUnprocessableEntity)
	restore()
	c.assertNothingLeft()
	var released uuid.UUID
	if err := sut.db.QueryRow(t.Context(), `SELECT id FROM janus_reservation WHERE class_id = $1`, c.id).Scan(&released); err != nil {
		t.Fatal(err)
	}
	gateway := janus.New(janus.Config{AdminSecret: janusAdminSecret, AdminKey: janusAdminKey, RoomKey: janusRoomKey}, rest.NewTransport())
	if err := gateway.Reserve(t.Context(), minigroup.Backend{AdminURL: sut.janus.AdminURL()}, released, 8, "minigroup:"+c.id.String()); err != nil {
		t.Fatal(err)
	}
	sweepUntil(t, workflows.ScheduleGateways, func() error {
		if rooms := c.gatewayRooms(); len(rooms) != 0 {
			return fmt.Errorf("the gateway has rooms for %v", rooms)
		}
		return nil
	})
}
