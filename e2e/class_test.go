package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
	"minigroups/workflows"
)

// object is a minigroup, or a problem, as the API shows it.
type object struct {
	ID         string    `json:"id"`
	ClassID    uuid.UUID `json:"class_id"`
	Status     any       `json:"status"` // a word for a minigroup, a number for a problem
	Time       [2]*int64 `json:"time"`
	Host       string    `json:"host"`
	Reserve    *int32    `json:"reserve"`
	LockedChat bool      `json:"locked_chat"`
	TimedOut   *bool     `json:"timed_out"`
	RealTime   *struct {
		EventRoomID      uuid.UUID `json:"event_room_id"`
		ConferenceRoomID uuid.UUID `json:"conference_room_id"`
		Host             string    `json:"host"`
	} `json:"real_time"`
	Failure *struct {
		Type string `json:"type"`
	} `json:"failure"`
	Update *struct {
		State   string `json:"state"`
		Failure *struct {
			Type string `json:"type"`
		} `json:"failure"`
	} `json:"update"`

	Type     string `json:"type"`
	Detail   string `json:"detail"`
	Upstream *struct {
		Name string `json:"name"`
		Type string `json:"type"`
	} `json:"upstream"`
	Errors []struct {
		Field string `json:"field"`
	} `json:"errors"`
}

type reply struct {
	object
	code   int
	header http.Header
	text   string
}

// request sends a request to the API. body is text, or a value that is sent as JSON.
func request(t testing.TB, method, path string, body any, headers ...string) reply {
	t.Helper()
	r, err := send(t.Context(), method, path, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func send(ctx context.Context, method, path string, body any, headers ...string) (reply, error) {
	return sendTo(ctx, sut.api, method, path, body, headers...)
}

// sendTo sends a request to one of several APIs.
func sendTo(ctx context.Context, api, method, path string, body any, headers ...string) (reply, error) {
	var r reply
	text, isText := body.(string)
	if body != nil && !isText {
		encoded, err := json.Marshal(body)
		if err != nil {
			return r, err
		}
		text = string(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, api+path, strings.NewReader(text))
	if err != nil {
		return r, err
	}
	req.Header.Set("Authorization", "Bearer "+sut.token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return r, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return r, err
	}
	r.code, r.header, r.text = res.StatusCode, res.Header, string(raw)
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&r.object); err != nil {
		return r, fmt.Errorf("%s %s: %d, not JSON: %q", method, path, r.code, raw)
	}
	return r, nil
}

func (r reply) want(t testing.TB, code int) reply {
	t.Helper()
	if r.code != code {
		t.Fatalf("got %d, want %d: %s", r.code, code, r.text)
	}
	return r
}

// class is a minigroup that a test asks for; what its rooms are comes from the services themselves.
type class struct {
	t        testing.TB
	audience string
	scope    string
	id       uuid.UUID
	body     map[string]any
	start    int64
}

func newClass(t testing.TB) *class { return newClassFor(t, "example.org") }

func newClassFor(t testing.TB, audience string) *class {
	scope := t.Name() + " " + uuid.NewString()[:8]
	start := time.Now().Unix() + 3600
	return &class{t: t, audience: audience, scope: scope, id: minigroup.ClassID(audience, scope), start: start, body: map[string]any{
		"scope": scope, "audience": audience, "host": "teacher.example.org", "time": []int64{start, start + 3600},
		"tags": map[string]any{"lesson": 7}, "reserve": 8, "locked_chat": true,
	}}
}

func (c *class) post(headers ...string) reply {
	c.t.Helper()
	return request(c.t, http.MethodPost, "/api/v1/minigroups", c.body, headers...)
}

func (c *class) path() string { return "/api/v1/minigroups/" + c.id.String() }
func (c *class) byScope() string {
	return "/api/v1/audiences/" + c.audience + "/minigroups/" + url.PathEscape(c.scope)
}

func (c *class) get() reply {
	c.t.Helper()
	return request(c.t, http.MethodGet, c.path(), nil).want(c.t, http.StatusOK)
}

func (c *class) workflowID() string { return workflows.WorkflowID(c.audience, c.scope) }

// until polls the object until it has the status, at most 30 seconds.
func (c *class) awaitStatus(status string) reply {
	c.t.Helper()
	var last reply
	eventually(c.t, func() error {
		if last = c.get(); last.Status != status {
			return fmt.Errorf("status is %v, want %s: %s", last.Status, status, last.text)
		}
		return nil
	})
	return last
}

// eventually tries until check succeeds, at most 30 seconds.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	within(t, 30*time.Second, check)
}

// within tries until check succeeds, at most so long.
func within(t testing.TB, limit time.Duration, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within %s: %v", limit, err)
		}
	}
}

// rooms lists the rooms of the class in event or conference.
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

// gatewayRooms lists the publishers of the gateway's rooms that belong to the class.
func (c *class) gatewayRooms() []int {
	c.t.Helper()
	return roomsOn(c.t, sut.janus)["minigroup:"+c.id.String()]
}

// assertComplete asserts that the minigroup has exactly what it shows: one open room of each kind and its slots.
func (c *class) assertComplete(o object) {
	c.t.Helper()
	events, conferences := c.openRooms(sut.event), c.openRooms(sut.conference)
	if o.RealTime == nil || len(events) != 1 || len(conferences) != 1 || events[0].ID != o.RealTime.EventRoomID || conferences[0].ID != o.RealTime.ConferenceRoomID {
		c.t.Fatalf("the object shows %+v, open in event %+v, in conference %+v", o.RealTime, events, conferences)
	}
	if o.LockedChat && (!events[0].LockedTypes["message"] || !events[0].LockedTypes["reaction"]) {
		c.t.Fatalf("the chat is not locked: %+v", events[0])
	}
	if got := c.gatewayRooms(); o.Reserve != nil && *o.Reserve > 0 && !slices.Equal(got, []int{int(*o.Reserve)}) {
		c.t.Fatalf("the gateway has rooms for %v, want one for %d", got, *o.Reserve)
	}
}

// assertNothingLeft asserts that nothing of the minigroup is left anywhere.
func (c *class) assertNothingLeft() {
	c.t.Helper()
	if e, v, g := c.openRooms(sut.event), c.openRooms(sut.conference), c.gatewayRooms(); len(e)+len(v)+len(g) != 0 {
		c.t.Fatalf("left over: in event %+v, in conference %+v, on the gateway %v", e, v, g)
	}
	if n := c.count(`SELECT count(*) FROM janus_reservation WHERE class_id = $1 AND state <> 'released'`); n != 0 {
		c.t.Fatalf("%d reservations still count", n)
	}
}

func (c *class) count(sql string) (n int) {
	c.t.Helper()
	if err := sut.db.QueryRow(c.t.Context(), sql, c.id).Scan(&n); err != nil {
		c.t.Fatal(err)
	}
	return n
}

// faults are those in force at each service. A stand-in knows only whole lists, and tests run at the same time.
var faults = struct {
	sync.Mutex
	at map[string][]*sandbox.Fault
}{at: map[string][]*sandbox.Fault{}}

// changeFaults makes the stand-in have the faults that edit makes of those it has. Requests that hang are answered with 503;
// where their fault remains, they hang again when they are repeated.
func changeFaults(ctx context.Context, service string, edit func([]*sandbox.Fault) []*sandbox.Fault) error {
	faults.Lock()
	defer faults.Unlock()
	faults.at[service] = edit(faults.at[service])
	list := make([]sandbox.Fault, len(faults.at[service]))
	for i, f := range faults.at[service] {
		list[i] = *f
	}
	return sandboxclient.SetFaults(ctx, service, list...)
}

// faulty sets a fault for this class at a service until the test ends or the returned function is called.
func (c *class) setFault(service string, f sandbox.Fault) (restore func()) {
	c.t.Helper()
	f.ClassroomID = &c.id
	err := changeFaults(c.t.Context(), service, func(list []*sandbox.Fault) []*sandbox.Fault { return append(list, &f) })
	if err != nil {
		c.t.Fatal(err)
	}
	restore = sync.OnceFunc(func() {
		err := changeFaults(context.Background(), service, func(list []*sandbox.Fault) []*sandbox.Fault {
			return slices.DeleteFunc(list, func(other *sandbox.Fault) bool { return other == &f })
		})
		if err != nil {
			c.t.Error(err)
		}
	})
	c.t.Cleanup(restore)
	return restore
}
