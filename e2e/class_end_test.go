package e2e

import (
	"errors"
	"net/http"
	"testing"

	"minigroups/sandbox/sandboxclient"
	"minigroups/workflows"
)

// These classes end although the worker receives no room events.

// awaitClosed sweeps until the row of the class is closed, and returns the object.
func (c *class) awaitClosed() reply {
	c.t.Helper()
	var last reply
	sweepUntil(c.t, workflows.ScheduleClasses, func() error {
		if !c.isClosed() {
			return errors.New("the class is not closed")
		}
		last = c.get()
		return nil
	})
	return last
}

// isClosed reports whether the row of the class is closed. The API shows closed as soon as the end has passed.
func (c *class) isClosed() bool {
	c.t.Helper()
	return c.count(`SELECT count(*) FROM minigroup WHERE id = $1 AND closed_at IS NOT NULL`) == 1
}

// setWindow makes the class begin and end these intervals ago.
func (c *class) setWindow(began, ended string) {
	c.t.Helper()
	c.exec(`
		UPDATE minigroup SET during = tstzrange(
			date_trunc('second', now()) - $2::text::interval, date_trunc('second', now()) - $3::text::interval)
		WHERE id = $1`, began, ended)
}

func TestAClassIsClosedSixHoursAfterItsEnd(t *testing.T) {
	t.Parallel()
	c, recent := newClass(t), newClass(t)
	c.post().want(t, http.StatusCreated)
	recent.post().want(t, http.StatusCreated)
	c.setWindow("8 hours", "7 hours")
	recent.setWindow("8 hours", "5 hours")
	over := c.get()
	if over.Status != "closed" {
		t.Fatalf("got %s", over.text)
	}
	if r := c.awaitClosed(); r.text != over.text {
		t.Fatalf("got %s, want %s", r.text, over.text)
	}
	if recent.isClosed() {
		t.Fatal("a class that may continue for another hour is closed")
	}
	if r := c.put(window(c.start, c.start+7200)).want(t, http.StatusConflict); r.Type != "minigroup_closed" {
		t.Fatalf("got %s", r.text)
	}
	c.awaitUnreserved()
	if e, v := c.openRooms(sut.event), c.openRooms(sut.conference); len(e) != 1 || len(v) != 1 {
		t.Fatalf("its rooms are closed: %+v, %+v", e, v)
	}
}

func TestTheSweeperLooksUpAClassWithoutAnEndInConference(t *testing.T) {
	t.Parallel()
	c, other := newClass(t), newClass(t)
	for _, endless := range []*class{c, other} {
		delete(endless.body, "time")
		endless.post().want(t, http.StatusCreated)
	}
	if err := sandboxclient.CloseRoom(t.Context(), sut.conference, c.openRooms(sut.conference)[0].ID, true); err != nil {
		t.Fatal(err)
	}
	if r := c.get(); r.Status != "real-time" {
		t.Fatalf("a worker received the event, so this tests nothing: %s", r.text)
	}
	for _, endless := range []*class{c, other} {
		endless.exec(`UPDATE minigroup SET looked_up_at = now() - interval '25 hours' WHERE id = $1`)
	}
	if r := c.awaitClosed(); r.Status != "closed" || !*r.TimedOut || r.Time[1] == nil {
		t.Fatalf("got %s", r.text)
	}
	if r := other.get(); r.Status != "real-time" {
		t.Fatalf("got %s", r.text)
	}
	if n := c.count(`SELECT count(*) FROM outbox WHERE payload->>'id' = $1::uuid::text`); n != 0 {
		t.Fatal("there is an outbox event although no broker is configured")
	}
}
