package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"minigroups/sandbox"
)

func TestAnUpdateMovesTheClass(t *testing.T) {
	c := newClass(t)
	before := c.post().want(t, http.StatusCreated)
	start, end := c.start+600, c.start+4800
	r := c.put(window(start, end)).want(t, http.StatusOK)
	if *r.Time[0] != start || *r.Time[1] != end || r.Update != nil {
		t.Fatalf("got %s", r.text)
	}
	replacer := strings.NewReplacer(fmt.Sprint(c.start), fmt.Sprint(start), fmt.Sprint(c.start+3600), fmt.Sprint(end))
	if replacer.Replace(before.text) != r.text || c.get().text != r.text {
		t.Fatalf("more than the time changed:\n%s\n%s\n%s", before.text, r.text, c.get().text)
	}
	if room := c.openRooms(sut.conference)[0]; *room.Time[0] != start || room.Time[1] != nil {
		t.Fatalf("the conference room is %+v", room)
	}
	recordHistory(t, "update done", c.workflowID())
	c.assertComplete(r.object)
	t.Run("reserve and host by scope", func(t *testing.T) {
		const host = "web.teacher.example.org"
		change := map[string]any{"reserve": 3, "host": host}
		r := request(t, http.MethodPut, c.byScope(), change).want(t, http.StatusOK)
		if *r.Reserve != 3 || r.Host != host || *r.Time[0] != start {
			t.Fatalf("got %s", r.text)
		}
		if room := c.openRooms(sut.conference)[0]; room.Host == nil || *room.Host != host {
			t.Fatalf("the conference room is %+v", room)
		}
		c.assertComplete(r.object)
	})
	t.Run("an empty update changes nothing", func(t *testing.T) {
		before := c.get()
		if r := c.put(`{}`).want(t, http.StatusOK); r.text != before.text {
			t.Fatalf("got %s, want %s", r.text, before.text)
		}
	})
}

func TestARefusedUpdateChangesNothing(t *testing.T) {
	c := newClass(t)
	before := c.post().want(t, http.StatusCreated)
	rooms := c.rooms(sut.conference)
	c.setFault(sut.conference, patchRefused)
	r := c.put(windowAndReserve(c.start+60, c.start+120, 20)).want(t, http.StatusUnprocessableEntity)
	if r.Type != "room_time_changing_forbidden" {
		t.Fatalf("got %s", r.text)
	}
	recordHistory(t, "update refused", c.workflowID())
	after := c.get()
	if after.Update == nil || after.Update.State != "failed" || *after.Time[0] != c.start || *after.Reserve != 8 {
		t.Fatalf("got %s", after.text)
	}
	isEqual := func(a, b sandbox.Room) bool { return *a.Time[0] == *b.Time[0] && a.ID == b.ID }
	if now := c.rooms(sut.conference); !slices.EqualFunc(rooms, now, isEqual) {
		t.Fatalf("conference changed: %+v, was %+v", now, rooms)
	}
	c.assertComplete(before.object)
}

func TestAWaitingUpdateIsShownAndFinished(t *testing.T) {
	c := newClass(t)
	c.post().want(t, http.StatusCreated)
	restore := c.setFault(sut.conference, patchHangs)
	moved := window(c.start+60, c.start+120)
	r := c.putAsync(moved)
	if r.Update == nil || r.Update.State != "running" || *r.Time[0] != c.start {
		t.Fatalf("got %s", r.text)
	}
	if o := c.get(); o.Update == nil || o.Update.State != "running" {
		t.Fatalf("got %s", o.text)
	}
	t.Run("an equal update joins, a different one receives a conflict with Retry-After", func(t *testing.T) {
		c.putAsync(moved)
		c.put(map[string]any{"reserve": 1}).wantInProgress(t)
	})
	t.Run("a cancel changes nothing once the PATCH may have been sent", func(*testing.T) {
		c.awaitPatch()
		c.cancel()
	})
	restore()
	eventually(t, func() error {
		if o := c.get(); o.Update != nil || *o.Time[0] != c.start+60 {
			return fmt.Errorf("got %s", o.text)
		}
		return nil
	})
	if room := c.openRooms(sut.conference)[0]; *room.Time[0] != c.start+60 {
		t.Fatalf("the conference room is %+v", room)
	}
	recordHistory(t, "update cancelled after its pivot", c.workflowID())
}
