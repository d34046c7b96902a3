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
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
	"minigroups/stack"
)

// recorder is an Announcer that remembers, or one that takes nothing.
type recorder struct {
	full     bool
	mu       sync.Mutex
	messages [][]byte
}

func (r *recorder) Announce(_ string, message []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, message)
	return !r.full
}

// rooms returns the payloads.
func (r *recorder) rooms(t *testing.T) (rooms []sandbox.Room) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, message := range r.messages {
		var envelope struct{ Payload string }
		var room sandbox.Room
		if err := json.Unmarshal(message, &envelope); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(envelope.Payload), &room); err != nil {
			t.Fatal(err)
		}
		rooms = append(rooms, room)
	}
	return rooms
}

// stage is both stand-ins, what they announce on, and an ear on the broker.
type stage struct {
	services  map[string]running
	announcer *sandbox.MQTTAnnouncer
	heard     <-chan sandboxclient.Announcement
}

func perform(t *testing.T, brokerURL string) stage {
	t.Helper()
	heard, err := sandboxclient.Listen(t.Context(), brokerURL)
	if err != nil {
		t.Fatal(err)
	}
	s := stage{services: map[string]running{}, announcer: dial(t, brokerURL), heard: heard}
	for _, service := range standIns {
		r, stop := runAnnouncing(t, service, "", s.announcer)
		t.Cleanup(stop)
		s.services[service.name] = r
	}
	return s
}

func dial(t *testing.T, brokerURL string) *sandbox.MQTTAnnouncer {
	t.Helper()
	announcer, err := sandbox.DialAnnouncer(brokerURL, "test-"+uuid.NewString())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = announcer.Close() })
	return announcer
}

func startBroker(t *testing.T) *stack.Mosquitto {
	t.Helper()
	options := stack.MosquittoOptions{
		Dir: filepath.Join(t.TempDir(), "mosquitto"), Port: freePort(t), Log: filepath.Join(t.TempDir(), "log"),
	}
	broker, err := stack.StartMosquitto(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Kill() })
	return broker
}

const marker = "apps/marker"

// told returns what was announced since it was asked last.
func (s stage) told(t *testing.T) (list []sandboxclient.Announcement) {
	t.Helper()
	s.announcer.Announce(marker, nil)
	for {
		a := next(t, s.heard)
		if a.Topic == marker {
			return list
		}
		list = append(list, a)
	}
}

func next(t *testing.T, heard <-chan sandboxclient.Announcement) sandboxclient.Announcement {
	t.Helper()
	select {
	case a, more := <-heard:
		if !more {
			t.Fatal("the connection is lost")
		}
		return a
	case <-time.After(30 * time.Second):
		t.Fatal("nothing is announced")
	}
	panic("not reached")
}

func TestWhatIsAnnounced(t *testing.T) {
	t.Run("over mosquitto", func(t *testing.T) { testWhatIsAnnounced(t, startBroker(t).URL()) })
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
		testWhatIsAnnounced(t, "mqtt://"+address)
	})
}

func testWhatIsAnnounced(t *testing.T, brokerURL string) {
	const (
		open, ahead, ended = "[1000000000,null]", "[4000000000,null]", "[1000000000,1000000001]"
		audience, room     = "audience ", "room "
	)
	s := perform(t, brokerURL)
	for _, c := range []struct {
		name, service string
		time          string // of the room, made beforehand, that {id} is
		request       string // method and path
		body          string
		status        int
		want          []string
	}{
		{"a create", "event", open, "POST /api/v1/rooms", `{"audience":"example.org","time":[5,null],"classroom_id":"8b0b8a6e-6ed1-4d19-8b3a-5f6a36b3c4f1","kind":"Minigroup"}`, 201, []string{audience + "room.create"}},
		{"a create in another audience", "event", open, "POST /api/v1/rooms", `{"audience":"none.example.org","time":[5,null],"classroom_id":"8b0b8a6e-6ed1-4d19-8b3a-5f6a36b3c4f1","kind":"Webinar"}`, 201, []string{"apps/event.svc.example.org/api/v1/audiences/none.example.org/events room.create"}},
		{"a create whose time is refused", "event", open, "POST /api/v1/rooms", `{"audience":"example.org","time":[5,5],"classroom_id":"8b0b8a6e-6ed1-4d19-8b3a-5f6a36b3c4f1","kind":"Minigroup"}`, 400, nil},
		{"a create in an audience that is not configured", "event", open, "POST /api/v1/rooms", `{"audience":"nowhere.org","time":[5,null],"classroom_id":"8b0b8a6e-6ed1-4d19-8b3a-5f6a36b3c4f1","kind":"Minigroup"}`, 403, nil},
		{"a create that cannot be read", "event", open, "POST /api/v1/rooms", `{}`, 422, nil},
		{"a look", "event", open, "GET /api/v1/rooms/{id}", "", 200, nil},
		{"an empty patch", "event", open, "PATCH /api/v1/rooms/{id}", `{}`, 200, []string{audience + "room.update"}},
		{"a later end", "event", open, "PATCH /api/v1/rooms/{id}", `{"time":[5,4000000000]}`, 200, []string{audience + "room.update"}},
		{"an end that is past", "event", open, "PATCH /api/v1/rooms/{id}", `{"time":[0,1]}`, 200, []string{audience + "room.update", room + "room.close"}},
		{"an end that is past before it opens", "event", ahead, "PATCH /api/v1/rooms/{id}", `{"time":[0,1]}`, 200, []string{audience + "room.update", room + "room.close"}},
		{"a patch of what has ended", "event", ended, "PATCH /api/v1/rooms/{id}", `{"tags":{"a":1}}`, 200, []string{audience + "room.update"}},
		{"an end for what has ended", "event", ended, "PATCH /api/v1/rooms/{id}", `{"time":[0,1]}`, 404, nil},
		{"a time that is refused", "event", open, "PATCH /api/v1/rooms/{id}", `{"time":[null,1]}`, 400, nil},
		{"locked types", "event", open, "POST /api/v1/rooms/{id}/locked_types", `{"locked_types":{"message":true}}`, 200, []string{room + "room.update"}},
		{"locked types that cannot be read", "event", open, "POST /api/v1/rooms/{id}/locked_types", `{}`, 422, nil},

		{"a create", "conference", open, "POST /api/v1/rooms", `{"audience":"example.org","time":[null,null],"classroom_id":"8b0b8a6e-6ed1-4d19-8b3a-5f6a36b3c4f1"}`, 200, []string{audience + "room.create"}},
		{"a create that the database refuses", "conference", open, "POST /api/v1/rooms", `{"audience":"example.org","time":[5,3],"classroom_id":"8b0b8a6e-6ed1-4d19-8b3a-5f6a36b3c4f1"}`, 422, nil},
		{"a look", "conference", open, "GET /api/v1/rooms/{id}", "", 200, nil},
		{"a reserve", "conference", open, "PATCH /api/v1/rooms/{id}", `{"reserve":5}`, 200, []string{audience + "room.update"}},
		{"a later end", "conference", open, "PATCH /api/v1/rooms/{id}", `{"time":[5,4000000000]}`, 200, []string{audience + "room.update"}},
		{"an end that is past", "conference", open, "PATCH /api/v1/rooms/{id}", `{"time":[5,6]}`, 200, []string{audience + "room.update", audience + "room.close", room + "room.close"}},
		{"an end for what has ended", "conference", ended, "PATCH /api/v1/rooms/{id}", `{"time":[5,6]}`, 404, nil},
		{"a close", "conference", open, "POST /api/v1/rooms/{id}/close", "", 200, []string{audience + "room.update", audience + "room.close", room + "room.close"}},
		{"a close of what has ended", "conference", ended, "POST /api/v1/rooms/{id}/close", "", 404, nil},
		{"a close before it opens", "conference", ahead, "POST /api/v1/rooms/{id}/close", "", 422, nil},
		{"a host who does not come back", "conference", open, "POST /sandbox/rooms/{id}/close?timed_out=true", "", 200, []string{audience + "room.close", room + "room.close"}},
		{"a close of its own", "conference", open, "POST /sandbox/rooms/{id}/close?timed_out=false", "", 200, []string{audience + "room.close", room + "room.close"}},
		{"a close of its own of what has ended", "conference", ended, "POST /sandbox/rooms/{id}/close?timed_out=true", "", 409, nil},
		{"a close of its own before it opens", "conference", ahead, "POST /sandbox/rooms/{id}/close?timed_out=true", "", 409, nil},
		{"a close of its own of what is not there", "conference", open, "POST /sandbox/rooms/8b0b8a6e-6ed1-4d19-8b3a-5f6a36b3c4f1/close?timed_out=true", "", 404, nil},
		{"a close of its own that does not say why", "conference", open, "POST /sandbox/rooms/{id}/close", "", 400, nil},
	} {
		t.Run(c.service+" about "+c.name, func(t *testing.T) {
			r := s.services[c.service]
			id := r.made(t, c.time)
			s.told(t)
			method, path, _ := strings.Cut(strings.ReplaceAll(c.request, "{id}", id), " ")
			if a := r.do(t, method, path, c.body); a.status != c.status {
				t.Errorf("got %d %s, want %d", a.status, a.raw, c.status)
			}
			if got := r.inWords(s.told(t), id); !slices.Equal(got, c.want) {
				t.Errorf("announced %q, want %q", got, c.want)
			}
		})
	}
}

// made makes a room of that time and returns its id.
func (r running) made(t *testing.T, time string) string {
	t.Helper()
	made := r.do(t, http.MethodPost, "/api/v1/rooms", fmt.Sprintf(`{"audience":"example.org","kind":"Minigroup","classroom_id":%q,"time":%s}`, uuid.New(), time))
	if made.status != r.created {
		t.Fatalf("create: %d %s", made.status, made.raw)
	}
	return made.body["id"].(string)
}

// inWords abbreviates the topics of the usual audience and of the room.
func (r running) inWords(list []sandboxclient.Announcement, id string) (words []string) {
	prefix := "apps/" + r.account() + "/api/v1/"
	for _, a := range list {
		topic := a.Topic
		switch topic {
		case prefix + "audiences/example.org/events":
			topic = "audience"
		case prefix + "rooms/" + id + "/events":
			topic = "room"
		}
		words = append(words, topic+" "+a.Label)
	}
	return words
}

func TestAnAnnouncement(t *testing.T) {
	s := perform(t, startBroker(t).URL())
	for _, service := range standIns {
		t.Run("is an envelope of strings around the room as "+service.name+" shows it", func(t *testing.T) {
			r := s.services[service.name]
			before := time.Now().UnixMilli()
			made := r.create(t, uuid.New())
			checkEnvelope(t, s.told(t)[0], made.raw, before)
		})
	}
	conference := s.services["conference"]
	shown := func(id string) string { return conference.do(t, http.MethodGet, "/api/v1/rooms/"+id, "").raw }

	t.Run("of a patch that closes shows first what the reply shows, then the room as closed", func(t *testing.T) {
		id := conference.made(t, "[1000000000,null]")
		s.told(t)
		patched := conference.do(t, http.MethodPatch, "/api/v1/rooms/"+id, `{"time":[1000000000,1000000001]}`)
		updated, closed, closedToo := three(t, s.told(t))
		if string(updated.Payload) != patched.raw {
			t.Errorf("room.update %s, want %s", updated.Payload, patched.raw)
		}
		for _, a := range []sandboxclient.Announcement{closed, closedToo} {
			checkClosed(t, a, shown(id), "http.minigroups.svc.example.org", false)
		}
	})
	t.Run("of a close shows the room as closed", func(t *testing.T) {
		id := conference.made(t, "[1000000000,null]")
		s.told(t)
		conference.do(t, http.MethodPost, "/api/v1/rooms/"+id+"/close", "")
		updated, closed, closedToo := three(t, s.told(t))
		for _, a := range []sandboxclient.Announcement{updated, closed, closedToo} {
			checkClosed(t, a, shown(id), "http.minigroups.svc.example.org", false)
		}
	})
	t.Run("of a room that conference closed by itself says whether it timed out", func(t *testing.T) {
		for _, timedOut := range []bool{true, false} {
			id := conference.made(t, "[1000000000,null]")
			s.told(t)
			if err := sandboxclient.CloseRoom(t.Context(), conference.url, uuid.MustParse(id), timedOut); err != nil {
				t.Fatal(err)
			}
			list := s.told(t)
			if len(list) != 2 {
				t.Fatalf("announced %+v", list)
			}
			for _, a := range list {
				checkClosed(t, a, shown(id), "conference.conference.svc.example.org", timedOut)
			}
			rooms := conference.rooms(t)
			if last := rooms[len(rooms)-1]; last.Open || last.TimedOut != timedOut {
				t.Errorf("the room is %+v", last)
			}
		}
	})
}

func three(t *testing.T, list []sandboxclient.Announcement) (a, b, c sandboxclient.Announcement) {
	t.Helper()
	if len(list) != 3 {
		t.Fatalf("announced %+v, want three", list)
	}
	return list[0], list[1], list[2]
}

func checkEnvelope(t *testing.T, a sandboxclient.Announcement, room string, before int64) {
	t.Helper()
	if a.QoS != 1 || a.Retained {
		t.Errorf("QoS %d, retained %t", a.QoS, a.Retained)
	}
	var envelope map[string]json.RawMessage
	if err := json.Unmarshal(a.Message, &envelope); err != nil || len(envelope) != 2 {
		t.Fatalf("%s: %v", a.Message, err)
	}
	var payload string
	if err := json.Unmarshal(envelope["payload"], &payload); err != nil || payload != room {
		t.Errorf("payload %s (%v), want %s", payload, err, room)
	}
	var properties map[string]string
	if err := json.Unmarshal(envelope["properties"], &properties); err != nil {
		t.Errorf("%s: %v", a.Message, err)
	}
	if len(properties) != 4 || properties["type"] != "event" || properties["label"] != "room.create" {
		t.Errorf("properties %v", properties)
	}
	if at, err := strconv.ParseInt(properties["timestamp"], 10, 64); err != nil || at < before || at > time.Now().UnixMilli() {
		t.Errorf("timestamp %q", properties["timestamp"])
	}
	if took, err := strconv.Atoi(properties["processing_time"]); err != nil || took < 0 {
		t.Errorf("processing_time %q", properties["processing_time"])
	}
}

func checkClosed(t *testing.T, a sandboxclient.Announcement, shown, by string, timedOut bool) {
	t.Helper()
	if string(a.Payload) != shown {
		t.Errorf("%s %s, want %s", a.Label, a.Payload, shown)
	}
	var room struct {
		Time     [2]*int64 `json:"time"`
		ClosedBy string    `json:"closed_by"`
		TimedOut bool      `json:"timed_out"`
	}
	if err := json.Unmarshal(a.Payload, &room); err != nil {
		t.Fatal(err)
	}
	if room.Time[1] == nil || *room.Time[1] < 1_700_000_000 || room.ClosedBy != by || room.TimedOut != timedOut {
		t.Errorf("%s %s, want it closed by %s, timed out %t", a.Label, a.Payload, by, timedOut)
	}
}

func TestNothingIsAnnounced(t *testing.T) {
	t.Run("where no work was done", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			for _, effect := range []sandbox.Effect{sandbox.EffectRefuse, sandbox.EffectFail} {
				setFaults(t, r.url, sandbox.Fault{Operation: "create", Do: effect})
				r.create(t, uuid.New())
			}
			for _, c := range r.log(t) {
				if c.Announced {
					t.Errorf("logged %+v", c)
				}
			}
			if told := r.told.rooms(t); len(told) > 0 {
				t.Errorf("announced %+v", told)
			}
		})
	})
	t.Run("where the client hung up between the work and the announcement, though the room is there", func(t *testing.T) {
		for _, s := range standIns {
			t.Run(s.name, func(t *testing.T) { testHungUpBeforeAnnouncement(t, s) })
		}
	})
	t.Run("where the announcer takes nothing, and the log says so", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			r.told.full = true
			if a := r.create(t, uuid.New()); a.status != r.created {
				t.Errorf("got %d %s", a.status, a.raw)
			}
			if log := r.log(t); len(log) != 1 || log[0].Announced {
				t.Errorf("log %+v", log)
			}
		})
	})
}

func testHungUpBeforeAnnouncement(t *testing.T, s standIn) {
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
	if told := r.told.rooms(t); len(told) > 0 {
		t.Errorf("announced %+v", told)
	}
	r, stop = run(t, s, file)
	defer stop()
	if log := r.log(t); len(log) != 1 || log[0].RoomID == nil || log[0].Announced || log[0].ReplyDelivered {
		t.Errorf("log %+v", log)
	}
}
