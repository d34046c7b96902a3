package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"minigroups/workflows"
)

func TestRecreateGivesAClassNewRooms(t *testing.T) {
	c := newClass(t)
	c.post().want(t, http.StatusCreated)
	const host = "web.teacher.example.org"
	before := c.put(map[string]any{"host": host}).want(t, http.StatusOK)
	after := c.recreate(map[string]any{}).want(t, http.StatusOK)
	if after.RealTime.EventRoomID == before.RealTime.EventRoomID || after.RealTime.ConferenceRoomID == before.RealTime.ConferenceRoomID {
		t.Fatalf("it has the rooms it had: %s", after.text)
	}
	if after.Update != nil || *after.Time[0] != *before.Time[0] || *after.Time[1] != *before.Time[1] || c.get().text != after.text {
		t.Fatalf("more than the rooms has changed:\n%s\n%s", before.text, after.text)
	}
	c.awaitRooms(after.object)
	if room := c.openRooms(sut.conference)[0]; room.Host == nil || *room.Host != host {
		t.Fatalf("the new conference room is %+v", room)
	}
	recordHistory(t, "recreate done", c.workflowID())
}

func TestARefusedRecreateChangesNothing(t *testing.T) {
	c := newClass(t)
	before := c.post().want(t, http.StatusCreated)
	restore := c.setFault(sut.conference, createRefused)
	if r := c.recreate(map[string]any{}).want(t, http.StatusUnprocessableEntity); r.Type != "upstream_refused" || r.Upstream.Name != "conference" {
		t.Fatalf("got %s", r.text)
	}
	restore()
	if o := c.get(); *o.RealTime != *before.RealTime || o.Update == nil || o.Update.State != "failed" || o.Update.Failure.Type != "upstream_refused" {
		t.Fatalf("got %s", o.text)
	}
	c.awaitRooms(before.object)
	recordHistory(t, "recreate refused", c.workflowID())
}

func TestARecreateWhoseRunIsGoneChangesNothing(t *testing.T) {
	for name, end := range map[string]func(*class){
		"it was cancelled": func(c *class) {
			if err := sut.client.CancelWorkflow(c.t.Context(), c.workflowID(), ""); err != nil {
				c.t.Fatal(err)
			}
		},
		"it was terminated": (*class).terminate,
	} {
		t.Run(name, func(t *testing.T) {
			c := newClass(t)
			before := c.post().want(t, http.StatusCreated)
			restore := c.setFault(sut.conference, createHangs)
			r := c.recreate(map[string]any{}, "Prefer", "respond-async").want(t, http.StatusAccepted)
			if r.Update == nil || r.Update.State != "running" || r.Status != "real-time" {
				t.Fatalf("got %s", r.text)
			}
			eventually(t, func() error {
				if len(c.openRooms(sut.event)) != 2 {
					return fmt.Errorf("event has no new room yet")
				}
				return nil
			})
			if o := c.get(); *o.RealTime != *before.RealTime {
				t.Fatalf("the rooms have changed before both are there: %s", o.text)
			}
			end(c)
			restore()
			sweepUntil(t, workflows.ScheduleClasses, func() error {
				if o := c.get(); *o.RealTime != *before.RealTime || o.Update == nil || o.Update.State != "failed" || o.Update.Failure.Type != "operation_cancelled" {
					return fmt.Errorf("got %s", o.text)
				}
				return nil
			})
			c.awaitRooms(before.object)
			recordHistory(t, "recreate after "+name, c.workflowID())
		})
	}
}

func TestRecreateOpensAClassThatIsOver(t *testing.T) {
	c := newClass(t)
	c.post().want(t, http.StatusCreated)
	if r := c.put(window(c.start-7200, c.start-7100)).want(t, http.StatusOK); r.Status != "closed" {
		t.Fatalf("got %s", r.text)
	}
	c.put(window(c.start, c.start+60)).want(t, http.StatusConflict)
	r := c.recreate(window(c.start, c.start+1200)).want(t, http.StatusOK)
	if r.Status != "real-time" || *r.Time[1] != c.start+1200 {
		t.Fatalf("got %s", r.text)
	}
	c.awaitRooms(r.object)
}
