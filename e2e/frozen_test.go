package e2e

import (
	"fmt"
	"slices"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"

	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
	"minigroups/workflows"
)

// These tests freeze processes, which continue later with outdated knowledge.

// freeze freezes a process until it is thawed, or the test ends.
func freeze(t testing.TB, p interface {
	Freeze() error
	Thaw()
}) {
	t.Helper()
	t.Cleanup(p.Thaw)
	if err := p.Freeze(); err != nil {
		t.Fatal(err)
	}
}

func TestACancelBeforeTheFirstStep(t *testing.T) {
	c := newClass(t)
	if err := sut.worker.Kill(); err != nil {
		t.Fatal(err)
	}
	c.postAsync()
	c.cancel()
	if o := c.get(); o.Status != "creating" {
		t.Fatalf("got %s", o.text)
	}
	if err := sut.startWorker(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := c.awaitStatus("failed"); r.Failure.Type != "operation_cancelled" {
		t.Fatalf("got %s", r.text)
	}
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED)
	c.assertNothingLeft()
	if n := c.count(`SELECT count(*) FROM room_attempt WHERE class_id = $1`); n != 0 || len(c.rooms(sut.event)) != 0 {
		t.Fatalf("%d creates were sent", n)
	}
}

// TestAWorkerFrozenInAStep freezes the worker while a create is in flight. Another worker takes the class over once the
// request has expired. Then the first thaws and receives the reply, with the id of a room.
func TestAWorkerFrozenInAStep(t *testing.T) {
	begin := func() (c *class, restore func()) {
		c = newClass(t)
		restore = c.setFault(sut.conference, createLate(8000)) // long after the worker has been frozen
		c.postAsync()
		c.awaitAttempt("event", "held")
		return c, restore
	}
	ready, restoreReady := begin()
	failed, restoreFailed := begin()
	other, restoreOther := begin()
	eventually(t, func() error { return hasMetrics(t, `minigroups_service_in_flight_requests{service="conference"} 3`) })
	freeze(t, sut.worker)
	classes := []*class{ready, failed, other}
	for _, c := range classes {
		if len(c.rooms(sut.conference)) != 0 {
			t.Fatal("conference was not late, so this tests nothing")
		}
		c.terminate()
	}
	eventually(t, func() error { // the replies are sent to the frozen worker
		log, err := sandboxclient.Log(t.Context(), sut.conference)
		if err != nil {
			return err
		}
		for _, c := range classes {
			if !slices.ContainsFunc(log, func(created sandbox.Creation) bool {
				return created.ClassroomID == c.id && created.ReplyDelivered
			}) {
				return fmt.Errorf("conference has sent no reply yet")
			}
		}
		return nil
	})
	eventually(t, func() error { // until then no worker sends another request
		for _, c := range classes {
			n := c.count(`SELECT count(*) FROM room_attempt WHERE class_id = $1 AND state = 'sent' AND expires_at > now()`)
			if n > 0 {
				return fmt.Errorf("%d requests of the frozen worker have not expired yet", n)
			}
		}
		return nil
	})
	restoreReady()
	restoreFailed()
	restoreOther()
	second, err := sut.anotherWorker(t.Context(), "second-worker", sut.configFile,
		"MINIGROUPS_WORKER__METRICS_LISTEN=127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := second.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	failed.setFault(sut.conference, createRefused)
	other.body["host"] = "another.example.org"
	for _, c := range classes {
		c.postAsync()
	}
	ready.awaitStatus("real-time")
	other.awaitStatus("real-time")
	failed.awaitStatus("failed")
	sut.worker.Thaw()
	for _, c := range classes {
		eventually(t, c.hasNoOpenAttempts)
		if n := len(c.rooms(sut.conference)); c != failed && n != 2 {
			t.Fatalf("conference made %d rooms, want one for the frozen worker and one for the other", n)
		}
	}
	ready.awaitComplete()
	other.awaitComplete()
	if o := other.get(); o.Host != "another.example.org" {
		t.Fatalf("got %s", o.text)
	}
	failed.awaitFailed()
}

func TestAGatewayFrozenDuringACreateAndItsUndo(t *testing.T) {
	c := newClass(t)
	freeze(t, sut.janus)
	c.postAsync()
	eventually(t, func() error {
		if c.count(`SELECT count(*) FROM janus_reservation WHERE class_id = $1 AND doubtful`) == 0 {
			return fmt.Errorf("no request to the gateway has timed out yet")
		}
		return nil
	})
	c.cancel()
	c.awaitStatus("failed")
	if n := c.count(`SELECT count(*) FROM janus_reservation WHERE class_id = $1 AND state = 'releasing'`); n != 1 {
		t.Fatal("the slots no longer count, but the gateway may have reserved them")
	}
	sut.janus.Thaw()
	sweepUntil(t, workflows.ScheduleGateways, func() error {
		if n := c.unreleased(); n != 0 {
			return fmt.Errorf("%d reservations still count", n)
		}
		return nil
	})
	c.assertNothingLeft()
}
