package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"minigroups/clients/janus"
	"minigroups/clients/rest"
	"minigroups/minigroup"
	"minigroups/workflows"
)

func TestATerminatedCreateIsUndone(t *testing.T) {
	c := newClass(t)
	restore := c.setFault(sut.conference, createHangs)
	c.postAsync()
	eventually(t, func() error {
		if len(c.openRooms(sut.event)) == 0 || len(c.gatewayRooms()) == 0 {
			return fmt.Errorf("event room and gateway room are not there yet")
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
	restore := c.setFault(sut.conference, patchHangs)
	c.putAsync(window(c.start+60, c.start+120))
	c.awaitPatch()
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

func TestSweepsLeaveAReadyMinigroupAlone(t *testing.T) {
	c := newClass(t)
	r := c.post().want(t, http.StatusCreated)
	for name, schedule := range map[string]string{
		"sweep of the classes": workflows.ScheduleClasses, "sweep of the gateways": workflows.ScheduleGateways,
	} {
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

// sweeps returns how many sweeps a schedule has started, and the workflow id of the latest.
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

func TestARestartedGatewayGetsItsRoomsBack(t *testing.T) {
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

func TestAGatewayRoomMadeAfterTheReleaseIsRemoved(t *testing.T) {
	c := newClass(t)
	restore := c.setFault(sut.conference, createRefused)
	c.post().want(t, http.StatusUnprocessableEntity)
	restore()
	c.assertNothingLeft()
	gateway := janus.New(janus.Config{
		AdminSecret: janusAdminSecret, AdminKey: janusAdminKey, RoomKey: janusRoomKey,
	}, rest.NewTransport())
	backend, name := minigroup.Backend{AdminURL: sut.janus.AdminURL()}, "minigroup:"+c.id.String()
	if err := gateway.Reserve(t.Context(), backend, c.reservationID(), 8, name); err != nil {
		t.Fatal(err)
	}
	c.awaitUnreserved()
}
