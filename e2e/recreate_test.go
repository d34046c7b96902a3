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
	if after.RealTime.EventRoomID == before.RealTime.EventRoomID ||
		after.RealTime.ConferenceRoomID == before.RealTime.ConferenceRoomID {
		t.Fatalf("the class has an old room: %s", after.text)
	}
	isSameTime := *after.Time[0] == *before.Time[0] && *after.Time[1] == *before.Time[1]
	if after.Update != nil || !isSameTime || c.get().text != after.text {
		t.Fatalf("more than the rooms changed:\n%s\n%s", before.text, after.text)
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
	r := c.recreate(map[string]any{}).want(t, http.StatusUnprocessableEntity)
	if r.Type != "upstream_refused" || r.Upstream.Name != "conference" {
		t.Fatalf("got %s", r.text)
	}
	restore()
	if err := c.hasFailedRecreate(before, "upstream_refused"); err != nil {
		t.Fatal(err)
	}
	c.awaitRooms(before.object)
	recordHistory(t, "recreate refused", c.workflowID())
}

// hasFailedRecreate returns an error unless the class has its rooms from before, and shows a failed update.
func (c *class) hasFailedRecreate(before reply, reason string) error {
	c.t.Helper()
	o := c.get()
	if *o.RealTime != *before.RealTime || o.Update == nil ||
		o.Update.State != "failed" || o.Update.Failure.Type != reason {
		return fmt.Errorf("got %s", o.text)
	}
	return nil
}

func TestARecreateWhoseRunEndedChangesNothing(t *testing.T) {
	for name, end := range map[string]func(*class){
		"it was cancelled": (*class).cancel, "it was terminated": (*class).terminate,
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
				t.Fatalf("the rooms changed before both new ones exist: %s", o.text)
			}
			end(c)
			restore()
			sweepUntil(t, workflows.ScheduleClasses, func() error {
				return c.hasFailedRecreate(before, "operation_cancelled")
			})
			c.awaitRooms(before.object)
			recordHistory(t, "recreate after "+name, c.workflowID())
		})
	}
}

func TestRecreateOpensAClosedClass(t *testing.T) {
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
