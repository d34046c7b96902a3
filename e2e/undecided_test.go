package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"minigroups/sandbox"
	"minigroups/workflows"
)

// undecidedHost is the host that leaveUndecided requests.
const undecidedHost = "web.substitute.example.org"

// leaveUndecided starts an update of a class that is ready. Conference executes its PATCH without a reply, and refuses
// to show the room until restore is called.
func (c *class) leaveUndecided(refuse sandbox.Fault) (restore func()) {
	c.t.Helper()
	c.setFault(sut.conference, patchReplyLost)
	c.putAsync(map[string]any{"host": undecidedHost})
	eventually(c.t, func() error {
		if room := c.openRooms(sut.conference)[0]; room.Host == nil || *room.Host != undecidedHost {
			return fmt.Errorf("conference has the host %v", room.Host)
		}
		return nil
	})
	// The room is read only after the deadline of the PATCH.
	restore = c.setFault(sut.conference, refuse)
	c.awaitRetryOf("PatchConferenceRoom")
	return restore
}

// assertLeftOpen checks that a class has failed because conference refused, and that its event room is open.
func (c *class) assertLeftOpen() {
	c.t.Helper()
	if r := c.get(); r.Failure == nil || r.Failure.Type != "upstream_refused" || len(c.openRooms(sut.event)) != 1 {
		c.t.Errorf("%d event rooms are open: %s", len(c.openRooms(sut.event)), r.text)
	}
}

func TestAnUpdateWhoseRoomCannotBeReadIsFailedByAnOperator(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	host := c.post().want(t, http.StatusCreated).Host
	restore := c.leaveUndecided(readForbidden)
	id := c.id.String()
	ops(t, nil, "cancel", id, "--wait", "1s").want(t, 1, "ops fail-update "+id)
	var report struct {
		Failed, Ended bool
		MaybePatched  bool `json:"maybe_patched"`
		MayDiffer     []struct {
			Field, Minigroup string
			Conference       string `json:"conference_may_have"`
		} `json:"may_differ"`
	}
	ops(t, &report, "fail-update", id).want(t, 0)
	if report.Failed || !report.MaybePatched || c.get().Update.State != "running" {
		t.Fatalf("without --yes: %+v", report)
	}
	ops(t, &report, "fail-update", id, "--yes", "--wait", "2m").want(t, 0)
	if d := report.MayDiffer; !report.Failed || !report.Ended || len(d) != 1 || d[0].Field != "host" ||
		d[0].Minigroup != host || d[0].Conference != undecidedHost {
		t.Fatalf("got %+v", report)
	}
	if o := c.get(); o.Host != host || o.Update == nil || o.Update.State != "failed" {
		t.Fatalf("got %s", o.text)
	}
	ops(t, nil, "fail-update", id, "--yes").want(t, 1, "no update of this minigroup is undecided")
	restore()
	// A sweep may have tried to read the room before. The next one does so in an hour, or now.
	_, err := sut.db.Exec(t.Context(), `
		UPDATE minigroup_update SET look_up_at = now() WHERE class_id = $1 AND look_up_at IS NOT NULL`, c.id)
	if err != nil {
		t.Fatal(err)
	}
	sweepUntil(t, workflows.ScheduleClasses, func() error {
		room, now := c.openRooms(sut.conference)[0], c.get()
		if room.Host == nil || *room.Host != now.Host {
			return fmt.Errorf("the host is %s, in conference %v", now.Host, room.Host)
		}
		return nil
	})
	eventually(t, func() error { // the run of the repair may not have ended
		if r := c.put(map[string]any{"host": "web.another.example.org"}); r.code != http.StatusOK {
			return fmt.Errorf("got %s", r.text)
		}
		return nil
	})
}

func TestAnUpdateWhoseRoomIsGoneFails(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.post().want(t, http.StatusCreated)
	_, err := sut.db.Exec(t.Context(), `
		UPDATE room_attempt SET answered_at = now() - interval '1 hour' WHERE class_id = $1`, c.id)
	if err != nil {
		t.Fatal(err)
	}
	gone := readForbidden
	gone.Type, gone.Status = "room_not_found", http.StatusNotFound
	restore := c.leaveUndecided(gone)
	eventually(t, func() error {
		o := c.get()
		if o.Update == nil || o.Update.State != "failed" || !strings.Contains(o.text, "recreate the minigroup") {
			return fmt.Errorf("got %s", o.text)
		}
		return nil
	})
	restore()
	c.recreate(map[string]any{}).want(t, http.StatusOK)
}

func TestARoomThatCannotBeClosedIsReleasedByAnOperator(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.undoWithout(patchForbidden)
	c.awaitRetryOf("CloseRoomIfPresent")
	room := c.openRooms(sut.event)[0].ID.String()
	ops(t, nil, "release", "--older-than", "0s", "--limit", "1000").want(t, 0, room)
	ops(t, nil, "release", room).want(t, 0, room)
	if r := c.get(); r.Status != "failed" && r.Status != "creating" {
		t.Fatalf("got %s", r.text)
	}
	ops(t, nil, "release", room, "--yes").want(t, 0, room, "may still be open in event")
	c.awaitRowState("failed")
	c.assertLeftOpen()
	ops(t, nil, "release", room, "--yes").want(t, 1, "neither a room that must be closed")
}

func TestAnEventThatTheBrokerRefusesIsDiscardedByAnOperator(t *testing.T) {
	t.Parallel()
	var id int64
	err := sut.db.QueryRow(t.Context(), `
		INSERT INTO outbox (audience, label, payload, claimed_until)
		VALUES ('refused.example.org', 'minigroup.stop', '{}', 'infinity') RETURNING id`).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	event := strconv.FormatInt(id, 10)
	ops(t, nil, "outbox").want(t, 0, event, "refused.example.org")
	ops(t, nil, "outbox", event).want(t, 0, "refused.example.org")
	ops(t, nil, "outbox", event, "--yes").want(t, 0, "discarded")
	ops(t, nil, "outbox", event, "--yes").want(t, 1, "there is no event "+event)
}
