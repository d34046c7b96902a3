package sandbox_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
	"minigroups/stack"
)

func TestRoomEventsOfEachCall(t *testing.T) {
	t.Run("over mosquitto", func(t *testing.T) { testRoomEvents(t, startBroker(t).URL()) })
	t.Run("over the broker of make run", func(t *testing.T) {
		binary, err := stack.BuildBroker(t.Context(), "..", io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
		broker, err := stack.StartBroker(t.Context(), stack.BrokerOptions{
			Binary: binary, Address: address, Log: filepath.Join(t.TempDir(), "log"),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = broker.Kill() })
		testRoomEvents(t, "mqtt://"+address)
	})
}

func testRoomEvents(t *testing.T, brokerURL string) {
	b := runOnBroker(t, brokerURL)
	for service, cases := range map[string][]eventCase{"event": eventCases(), "conference": conferenceCases()} {
		for _, c := range cases {
			t.Run(service+" after "+c.name, func(t *testing.T) {
				r := b.services[service]
				if c.time == "" {
					c.time = open
				}
				id := r.newRoom(t, c.time)
				b.events(t)
				method, path, _ := strings.Cut(strings.ReplaceAll(c.request, "{id}", id), " ")
				if a := r.do(t, method, path, c.body); a.status != c.status {
					t.Errorf("got %d %s, want %d", a.status, a.raw, c.status)
				}
				if got := r.inShort(b.events(t), id); !slices.Equal(got, c.want) {
					t.Errorf("published %q, want %q", got, c.want)
				}
			})
		}
	}
}

// newRoom creates a room of that time and returns its id.
func (r running) newRoom(t *testing.T, time string) string {
	t.Helper()
	const body = `{"audience":"example.org","kind":"Minigroup","classroom_id":%q,"time":%s}`
	created := r.do(t, http.MethodPost, "/api/v1/rooms", fmt.Sprintf(body, uuid.New(), time))
	if created.status != r.created {
		t.Fatalf("create: %d %s", created.status, created.raw)
	}
	return created.body["id"].(string)
}

// inShort returns topic and label of each event. It writes audience and room for the topics of the usual audience and
// of the room.
func (r running) inShort(list []sandboxclient.RoomEvent, id string) (events []string) {
	prefix := "apps/" + r.account() + "/api/v1/"
	for _, e := range list {
		topic := e.Topic
		switch topic {
		case prefix + "audiences/example.org/events":
			topic = "audience"
		case prefix + "rooms/" + id + "/events":
			topic = "room"
		}
		events = append(events, topic+" "+e.Label)
	}
	return events
}

func TestARoomEvent(t *testing.T) {
	b := runOnBroker(t, startBroker(t).URL())
	for _, service := range standIns {
		t.Run("is an envelope of strings with the room as "+service.name+" shows it", func(t *testing.T) {
			r := b.services[service.name]
			before := time.Now().UnixMilli()
			created := r.create(t, uuid.New())
			checkEnvelope(t, b.events(t)[0], created.raw, before)
		})
	}
	conference := b.services["conference"]
	shown := func(id string) string { return conference.do(t, http.MethodGet, "/api/v1/rooms/"+id, "").raw }

	t.Run("of a closing patch shows first the room of the reply, then the closed room", func(t *testing.T) {
		id := conference.newRoom(t, open)
		b.events(t)
		patched := conference.do(t, http.MethodPatch, "/api/v1/rooms/"+id, `{"time":[1000000000,1000000001]}`)
		updated, closed, closedToo := three(t, b.events(t))
		if string(updated.Payload) != patched.raw {
			t.Errorf("room.update %s, want %s", updated.Payload, patched.raw)
		}
		for _, e := range []sandboxclient.RoomEvent{closed, closedToo} {
			checkClosed(t, e, shown(id), "http.minigroups.svc.example.org", false)
		}
	})
	t.Run("of a close shows the closed room", func(t *testing.T) {
		id := conference.newRoom(t, open)
		b.events(t)
		conference.do(t, http.MethodPost, "/api/v1/rooms/"+id+"/close", "")
		updated, closed, closedToo := three(t, b.events(t))
		for _, e := range []sandboxclient.RoomEvent{updated, closed, closedToo} {
			checkClosed(t, e, shown(id), "http.minigroups.svc.example.org", false)
		}
	})
	t.Run("of an unasked close says whether the room timed out", func(t *testing.T) {
		for _, timedOut := range []bool{true, false} {
			id := conference.newRoom(t, open)
			b.events(t)
			if err := sandboxclient.CloseRoom(t.Context(), conference.url, uuid.MustParse(id), timedOut); err != nil {
				t.Fatal(err)
			}
			list := b.events(t)
			if len(list) != 2 {
				t.Fatalf("published %+v", list)
			}
			for _, e := range list {
				checkClosed(t, e, shown(id), "conference.conference.svc.example.org", timedOut)
			}
			rooms := conference.rooms(t)
			if last := rooms[len(rooms)-1]; last.Open || last.TimedOut != timedOut {
				t.Errorf("the room is %+v", last)
			}
		}
	})
}

func three(t *testing.T, list []sandboxclient.RoomEvent) (a, b, c sandboxclient.RoomEvent) {
	t.Helper()
	if len(list) != 3 {
		t.Fatalf("published %+v, want three events", list)
	}
	return list[0], list[1], list[2]
}

func checkEnvelope(t *testing.T, e sandboxclient.RoomEvent, room string, before int64) {
	t.Helper()
	if e.QoS != 1 || e.Retained {
		t.Errorf("QoS %d, retained %t", e.QoS, e.Retained)
	}
	var envelope map[string]json.RawMessage
	if err := json.Unmarshal(e.Message, &envelope); err != nil || len(envelope) != 2 {
		t.Fatalf("%s: %v", e.Message, err)
	}
	var payload string
	if err := json.Unmarshal(envelope["payload"], &payload); err != nil || payload != room {
		t.Errorf("payload %s (%v), want %s", payload, err, room)
	}
	var properties map[string]string
	if err := json.Unmarshal(envelope["properties"], &properties); err != nil {
		t.Errorf("%s: %v", e.Message, err)
	}
	if len(properties) != 4 || properties["type"] != "event" || properties["label"] != "room.create" {
		t.Errorf("properties %v", properties)
	}
	at, err := strconv.ParseInt(properties["timestamp"], 10, 64)
	if err != nil || at < before || at > time.Now().UnixMilli() {
		t.Errorf("timestamp %q", properties["timestamp"])
	}
	if took, err := strconv.Atoi(properties["processing_time"]); err != nil || took < 0 {
		t.Errorf("processing_time %q", properties["processing_time"])
	}
}

func checkClosed(t *testing.T, e sandboxclient.RoomEvent, shown, by string, timedOut bool) {
	t.Helper()
	if string(e.Payload) != shown {
		t.Errorf("%s %s, want %s", e.Label, e.Payload, shown)
	}
	var room struct {
		Time     [2]*int64 `json:"time"`
		ClosedBy string    `json:"closed_by"`
		TimedOut bool      `json:"timed_out"`
	}
	if err := json.Unmarshal(e.Payload, &room); err != nil {
		t.Fatal(err)
	}
	if room.Time[1] == nil || *room.Time[1] < 1_700_000_000 || room.ClosedBy != by || room.TimedOut != timedOut {
		t.Errorf("%s %s, want it closed by %s, timed out %t", e.Label, e.Payload, by, timedOut)
	}
}

func TestNoEventIsPublished(t *testing.T) {
	t.Run("for a request that did no work", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			for _, effect := range []sandbox.Effect{sandbox.EffectRefuse, sandbox.EffectFail} {
				setFaults(t, r.url, sandbox.Fault{Operation: "create", Do: effect})
				r.create(t, uuid.New())
			}
			for _, c := range r.log(t) {
				if c.Published {
					t.Errorf("logged %+v", c)
				}
			}
			if published := r.published.rooms(t); len(published) > 0 {
				t.Errorf("published %+v", published)
			}
		})
	})
	t.Run("if the client hangs up after the room is created and before its event", func(t *testing.T) {
		for _, s := range standIns {
			t.Run(s.name, func(t *testing.T) { testHungUpBeforeEvent(t, s) })
		}
	})
	t.Run("if the publisher accepts none, and the log says so", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			r.published.full = true
			if a := r.create(t, uuid.New()); a.status != r.created {
				t.Errorf("got %d %s", a.status, a.raw)
			}
			if log := r.log(t); len(log) != 1 || log[0].Published {
				t.Errorf("log %+v", log)
			}
		})
	})
}

func testHungUpBeforeEvent(t *testing.T, s standIn) {
	file := filepath.Join(t.TempDir(), "state.jsonl")
	r, stop := run(t, s, file)
	setFaults(t, r.url, sandbox.Fault{Operation: "create", Do: "late", DelayMS: 3000})
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(r.rawCreate(uuid.New()))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the room exists", func() bool { return len(r.rooms(t)) == 1 })
	_ = conn.Close()
	stop() // waits for the create
	if published := r.published.rooms(t); len(published) > 0 {
		t.Errorf("published %+v", published)
	}
	r, stop = run(t, s, file)
	defer stop()
	if log := r.log(t); len(log) != 1 || log[0].RoomID == nil || log[0].Published || log[0].ReplyDelivered {
		t.Errorf("log %+v", log)
	}
}
