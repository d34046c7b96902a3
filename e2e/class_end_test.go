package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"minigroups/sandbox/sandboxclient"
	"minigroups/workflows"
)

// Classes that end although nobody listens to what is announced.

// closes sweeps until the class is closed.
func (c *class) awaitClosed() reply {
	c.t.Helper()
	var last reply
	sweepUntil(c.t.(*testing.T), workflows.ScheduleClasses, func() error {
		if c.count(`SELECT count(*) FROM minigroup WHERE id = $1 AND closed_at IS NOT NULL`) == 0 {
			return fmt.Errorf("it is not closed")
		}
		last = c.get()
		return nil
	})
	return last
}

func (c *class) age(sql string) {
	c.t.Helper()
	if _, err := sut.db.Exec(c.t.Context(), sql, c.id); err != nil {
		c.t.Fatal(err)
	}
}

func TestAClassThatIsOverForLongIsClosed(t *testing.T) {
	t.Parallel()
	c, within := newClass(t), newClass(t)
	c.post().want(t, http.StatusCreated)
	within.post().want(t, http.StatusCreated)
	c.age(`UPDATE minigroup SET during = tstzrange(date_trunc('second', now()) - interval '8 hours', date_trunc('second', now()) - interval '7 hours') WHERE id = $1`)
	within.age(`UPDATE minigroup SET during = tstzrange(date_trunc('second', now()) - interval '8 hours', date_trunc('second', now()) - interval '5 hours') WHERE id = $1`)
	over := c.get()
	if over.Status != "closed" {
		t.Fatalf("got %s", over.text)
	}
	if r := c.awaitClosed(); r.text != over.text {
		t.Fatalf("got %s, want %s", r.text, over.text)
	}
	if n := within.count(`SELECT count(*) FROM minigroup WHERE id = $1 AND closed_at IS NOT NULL`); n != 0 {
		t.Fatal("a class that may run over for another hour is closed")
	}
	if r := c.put(map[string]any{"time": []int64{c.start, c.start + 7200}}).want(t, http.StatusConflict); r.Type != "minigroup_closed" {
		t.Fatalf("got %s", r.text)
	}
	sweepUntil(t, workflows.ScheduleGateways, func() error {
		if rooms := c.gatewayRooms(); len(rooms) != 0 {
			return fmt.Errorf("the gateway has rooms for %v", rooms)
		}
		return nil
	})
	if e, v := c.openRooms(sut.event), c.openRooms(sut.conference); len(e) != 1 || len(v) != 1 {
		t.Fatalf("its rooms are closed: %+v, %+v", e, v)
	}
}

func TestAClassWithoutAnEndIsLookedUpInConference(t *testing.T) {
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
		t.Fatalf("somebody listens, so nothing is tried here: %s", r.text)
	}
	for _, endless := range []*class{c, other} {
		endless.age(`UPDATE minigroup SET looked_up_at = now() - interval '25 hours' WHERE id = $1`)
	}
	if r := c.awaitClosed(); r.Status != "closed" || !*r.TimedOut || r.Time[1] == nil {
		t.Fatalf("got %s", r.text)
	}
	if r := other.get(); r.Status != "real-time" {
		t.Fatalf("got %s", r.text)
	}
	if n := c.count(`SELECT count(*) FROM outbox WHERE payload->>'id' = $1::uuid::text`); n != 0 {
		t.Fatal("there is a broadcast, and nobody to tell it")
	}
}
