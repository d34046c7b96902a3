package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
	"minigroups/workflows"
)

// class is a minigroup that a test requests. Its methods read its rooms from event, conference and the gateway, not
// from the API.
type class struct {
	t        testing.TB
	audience string
	scope    string
	id       uuid.UUID
	body     map[string]any // of the POST that creates it
	start    int64
}

// newClass returns a class with a scope of its own, which does not exist yet.
func newClass(t testing.TB) *class { return newClassFor(t, "example.org") }

func newClassFor(t testing.TB, audience string) *class {
	start := time.Now().Unix() + 3600
	c := &class{t: t, audience: audience, start: start, body: map[string]any{
		"audience": audience, "host": "teacher.example.org", "time": []int64{start, start + 3600},
		"tags": map[string]any{"lesson": 7}, "reserve": 8, "locked_chat": true,
	}}
	c.setScope(t.Name() + " " + uuid.NewString()[:8])
	return c
}

func (c *class) setScope(scope string) {
	c.scope, c.id, c.body["scope"] = scope, minigroup.NewClassID(c.audience, scope), scope
}

func (c *class) path() string { return "/api/v1/minigroups/" + c.id.String() }
func (c *class) byScope() string {
	return "/api/v1/audiences/" + c.audience + "/minigroups/" + url.PathEscape(c.scope)
}
func (c *class) workflowID() string { return workflows.WorkflowID(c.audience, c.scope) }

func (c *class) post(headers ...string) reply {
	c.t.Helper()
	return request(c.t, http.MethodPost, "/api/v1/minigroups", c.body, headers...)
}

// postAsync starts the create and does not wait for it.
func (c *class) postAsync() reply {
	c.t.Helper()
	return c.post("Prefer", "respond-async").want(c.t, http.StatusAccepted)
}

func (c *class) put(change any, headers ...string) reply {
	c.t.Helper()
	return request(c.t, http.MethodPut, c.path(), change, headers...)
}

// putAsync starts the update and does not wait for it.
func (c *class) putAsync(change any) reply {
	c.t.Helper()
	return c.put(change, "Prefer", "respond-async").want(c.t, http.StatusAccepted)
}

func (c *class) retry(headers ...string) reply {
	c.t.Helper()
	return request(c.t, http.MethodPost, c.path()+"/retry", nil, headers...)
}

func (c *class) recreate(body map[string]any, headers ...string) reply {
	c.t.Helper()
	return request(c.t, http.MethodPost, c.path()+"/recreate", body, headers...)
}

func (c *class) get() reply {
	c.t.Helper()
	return request(c.t, http.MethodGet, c.path(), nil).want(c.t, http.StatusOK)
}

// window is the part of a request that sets start and end.
func window(start, end int64) map[string]any { return map[string]any{"time": []int64{start, end}} }

func windowAndReserve(start, end int64, reserve int) map[string]any {
	return map[string]any{"time": []int64{start, end}, "reserve": reserve}
}

// rooms lists the rooms of the class in event or conference, the closed ones too.
func (c *class) rooms(service string) []sandbox.Room {
	c.t.Helper()
	rooms, err := sandboxclient.Rooms(c.t.Context(), service)
	if err != nil {
		c.t.Fatal(err)
	}
	return slices.DeleteFunc(rooms, func(r sandbox.Room) bool { return r.ClassroomID != c.id })
}

func (c *class) openRooms(service string) []sandbox.Room {
	c.t.Helper()
	return slices.DeleteFunc(c.rooms(service), func(r sandbox.Room) bool { return !r.Open })
}

// gatewayRooms lists the gateway's rooms of the class by their maximum number of publishers.
func (c *class) gatewayRooms() []int {
	c.t.Helper()
	return roomsOn(c.t, sut.janus)["minigroup:"+c.id.String()]
}

// assertComplete asserts that the minigroup has exactly what it shows: one open room of each kind and its slots.
func (c *class) assertComplete(o object) {
	c.t.Helper()
	events, conferences := c.openRooms(sut.event), c.openRooms(sut.conference)
	if o.RealTime == nil || len(events) != 1 || len(conferences) != 1 ||
		events[0].ID != o.RealTime.EventRoomID || conferences[0].ID != o.RealTime.ConferenceRoomID {
		c.t.Fatalf("the object shows %+v, open in event %+v, in conference %+v", o.RealTime, events, conferences)
	}
	if o.LockedChat && (!events[0].LockedTypes["message"] || !events[0].LockedTypes["reaction"]) {
		c.t.Fatalf("the chat is not locked: %+v", events[0])
	}
	if got := c.gatewayRooms(); o.Reserve != nil && *o.Reserve > 0 && !slices.Equal(got, []int{int(*o.Reserve)}) {
		c.t.Fatalf("the gateway has rooms for %v, want one for %d", got, *o.Reserve)
	}
}

// assertNothingLeft asserts that no open room and no slot of the minigroup is left anywhere.
func (c *class) assertNothingLeft() {
	c.t.Helper()
	eventually(c.t, func() error {
		if e, v, g := c.openRooms(sut.event), c.openRooms(sut.conference), c.gatewayRooms(); len(e)+len(v)+len(g) != 0 {
			return fmt.Errorf("left over: in event %+v, in conference %+v, on the gateway %v", e, v, g)
		}
		if n := c.unreleased(); n != 0 {
			return fmt.Errorf("%d reservations still count", n)
		}
		return nil
	})
}

// assertMoved asserts that API and conference agree on the start, and that the rest is as the object shows.
func (c *class) assertMoved(o object, start int64) {
	c.t.Helper()
	now, room := c.get(), c.openRooms(sut.conference)[0]
	if *now.Time[0] != start || *room.Time[0] != start || *now.Time[1] != *o.Time[1] {
		c.t.Fatalf("want a start at %d, conference has %d: %s", start, *room.Time[0], now.text)
	}
	c.assertComplete(o)
}

// assertOneRoomMade asserts that event and conference made one room each for the class, closed ones included.
func (c *class) assertOneRoomMade() {
	c.t.Helper()
	if e, v := c.rooms(sut.event), c.rooms(sut.conference); len(e) != 1 || len(v) != 1 {
		c.t.Fatalf("%d event rooms and %d conference rooms were made", len(e), len(v))
	}
}

// rowState returns the state of the row, which is finer than the status that the API shows.
func (c *class) rowState() (state string) {
	c.t.Helper()
	const query = `SELECT state FROM minigroup WHERE id = $1`
	if err := sut.db.QueryRow(c.t.Context(), query, c.id).Scan(&state); err != nil {
		c.t.Fatal(err)
	}
	return state
}

// count returns the number that a query selects; $1 in it is the class id.
func (c *class) count(sql string) (n int) {
	c.t.Helper()
	if err := sut.db.QueryRow(c.t.Context(), sql, c.id).Scan(&n); err != nil {
		c.t.Fatal(err)
	}
	return n
}

// reservationID returns the id of the class's only reservation, released or not.
func (c *class) reservationID() (id uuid.UUID) {
	c.t.Helper()
	const query = `SELECT id FROM janus_reservation WHERE class_id = $1`
	if err := sut.db.QueryRow(c.t.Context(), query, c.id).Scan(&id); err != nil {
		c.t.Fatal(err)
	}
	return id
}

// unreleased counts the reservations of the class whose slots are still in use.
func (c *class) unreleased() int {
	c.t.Helper()
	return c.count(`SELECT count(*) FROM janus_reservation WHERE class_id = $1 AND state <> 'released'`)
}

// exec runs a statement; $1 in it is the class id, the arguments follow. It also works while the test ends.
func (c *class) exec(sql string, args ...any) {
	c.t.Helper()
	if _, err := sut.db.Exec(context.Background(), sql, append([]any{c.id}, args...)...); err != nil {
		c.t.Fatal(err)
	}
}
