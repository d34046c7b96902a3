package sandbox_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

// standIn is one of the two that drop work half-way.
type standIn struct {
	name    string
	created int // status of a create
	start   func(sandbox.Config) (http.Handler, io.Closer, error)
	body    string // of a create; takes the classroom id
}

var standIns = []standIn{
	{
		name: "event", created: http.StatusCreated,
		start: func(cfg sandbox.Config) (http.Handler, io.Closer, error) {
			e, err := sandbox.NewEvent(cfg)
			return e, e, err
		},
		body: `{"audience":"example.org","time":[1000000000,null],"classroom_id":"%s","kind":"Minigroup"}`,
	},
	{
		name: "conference", created: http.StatusOK,
		start: func(cfg sandbox.Config) (http.Handler, io.Closer, error) {
			c, err := sandbox.NewConference(cfg)
			return c, c, err
		},
		body: `{"audience":"example.org","time":[1000000000,null],"classroom_id":"%s","rtc_sharing_policy":"owned"}`,
	},
}

// running is a stand-in behind a server.
type running struct {
	standIn
	url   string
	token string
	told  *recorder // what it announced; nil where that goes to a broker
}

func run(t *testing.T, s standIn, stateFile string) (r running, stop func()) {
	t.Helper()
	told := &recorder{}
	r, stop = runAnnouncing(t, s, stateFile, told)
	r.told = told
	return r, stop
}

func runAnnouncing(t *testing.T, s standIn, stateFile string, announcer sandbox.Announcer) (r running, stop func()) {
	t.Helper()
	key := newKey(t)
	cfg := recordedConfig(key)
	cfg.StateFile = stateFile
	cfg.Account, cfg.Announcer = s.account(), announcer
	handler, closer, err := s.start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	return running{standIn: s, url: server.URL, token: mustToken(t, key)}, func() {
		server.Close()
		if err := closer.Close(); err != nil {
			t.Error(err)
		}
	}
}

func (s standIn) account() string { return s.name + ".svc.example.org" }

func eachStandIn(t *testing.T, test func(*testing.T, running)) {
	for _, s := range standIns {
		t.Run(s.name, func(t *testing.T) {
			r, stop := run(t, s, "")
			defer stop()
			test(t, r)
		})
	}
}

func mustToken(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	token, err := recordedToken(key, "service")
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// answer is a reply read whole; err says that there was none.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
	err    error
}

func (r running) do(t *testing.T, method, path, body string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw), err: err}
	_ = json.Unmarshal(raw, &a.body)
	return a
}

func (r running) create(t *testing.T, class uuid.UUID) answer {
	t.Helper()
	return r.do(t, http.MethodPost, "/api/v1/rooms", fmt.Sprintf(r.body, class))
}

func (r running) rooms(t *testing.T) []sandbox.Room {
	t.Helper()
	rooms, err := sandboxclient.Rooms(t.Context(), r.url)
	if err != nil {
		t.Fatal(err)
	}
	return rooms
}

func (r running) log(t *testing.T) []sandbox.Creation {
	t.Helper()
	log, err := sandboxclient.Log(t.Context(), r.url)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func setFaults(t *testing.T, base string, faults ...sandbox.Fault) {
	t.Helper()
	if err := sandboxclient.SetFaults(t.Context(), base, faults...); err != nil {
		t.Fatal(err)
	}
}

// sendAndHangUp sends the bytes, waits, and closes the connection without reading.
func sendAndHangUp(t *testing.T, base, request string, wait time.Duration) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Error(err)
	}
	<-time.After(wait)
	_ = conn.Close()
}

func (r running) rawCreate(class uuid.UUID) string {
	body := fmt.Sprintf(r.body, class)
	return fmt.Sprintf("POST /api/v1/rooms HTTP/1.1\r\nHost: sandbox\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s",
		r.token, len(body), body)
}

func TestHangingUpDropsTheWorkHalfWay(t *testing.T) {
	const creates = 300
	for _, s := range standIns {
		t.Run(s.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "state.jsonl")
			r, stop := run(t, s, file)
			var group sync.WaitGroup
			for range 10 {
				group.Go(func() {
					for range creates / 10 {
						sendAndHangUp(t, r.url, r.rawCreate(uuid.New()), rand.N(3*time.Millisecond))
					}
				})
			}
			group.Wait()
			eventually(t, "every create is logged", func() bool { return len(r.log(t)) == creates })
			stop() // waits for the requests still at work
			told := r.told

			r, stop = run(t, s, file)
			defer stop()
			checkHungUp(t, r.rooms(t), r.log(t))
			checkAnnounced(t, r.log(t), told)
		})
	}
}

// checkHungUp wants rooms and log to agree, and some of each kind.
func checkHungUp(t *testing.T, rooms []sandbox.Room, log []sandbox.Creation) {
	t.Helper()
	logged := map[uuid.UUID]uuid.UUID{}
	lost, notMade := 0, 0
	for i, c := range log {
		if c.Seq != int64(i)+1 {
			t.Errorf("entry %d has number %d", i, c.Seq)
		}
		switch {
		case c.RoomID == nil && c.ReplyDelivered:
			t.Errorf("%v was answered and has no room", c)
		case c.RoomID == nil:
			notMade++
		case !c.ReplyDelivered:
			lost++
		}
		if c.RoomID != nil {
			logged[*c.RoomID] = c.ClassroomID
		}
	}
	if lost == 0 || notMade == 0 {
		t.Errorf("%d rooms without a delivered reply and %d creates without a room, want some of each", lost, notMade)
	}
	t.Logf("%d rooms, %d of them without a delivered reply; %d creates made none", len(rooms), lost, notMade)
	if len(rooms) != len(logged) {
		t.Errorf("%d rooms, and %d in the log", len(rooms), len(logged))
	}
	for _, room := range rooms {
		if logged[room.ID] != room.ClassroomID {
			t.Errorf("room %s of class %s is logged for class %s", room.ID, room.ClassroomID, logged[room.ID])
		}
	}
}

// checkAnnounced wants the log to say what was announced: every room that was answered, and not every other one.
func checkAnnounced(t *testing.T, log []sandbox.Creation, told *recorder) {
	t.Helper()
	announced, silent := map[uuid.UUID]bool{}, 0
	for _, room := range told.rooms(t) {
		announced[room.ID] = true
	}
	for _, c := range log {
		if has := c.RoomID != nil && announced[*c.RoomID]; has != c.Announced || c.ReplyDelivered && !has {
			t.Errorf("%+v was announced: %t", c, has)
		}
		if c.RoomID != nil && !c.Announced {
			silent++
		}
	}
	if silent == 0 || len(announced) == 0 {
		t.Errorf("%d rooms were announced and %d were not, want some of each", len(announced), silent)
	}
}

func TestFaults(t *testing.T) {
	t.Run("refuse, twice, for one class", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			class := uuid.New()
			setFaults(t, r.url, sandbox.Fault{Operation: "create", ClassroomID: &class, Do: "refuse", Type: "no_available_backends", Times: 2, RetryAfter: 7})
			for range 2 {
				a := r.create(t, class)
				if a.status != http.StatusServiceUnavailable || a.body["type"] != "no_available_backends" || a.header.Get("Retry-After") != "7" {
					t.Errorf("got %d %s, Retry-After %q", a.status, a.raw, a.header.Get("Retry-After"))
				}
				if a := r.create(t, uuid.New()); a.status != r.created {
					t.Errorf("another class: %d %s", a.status, a.raw)
				}
			}
			if a := r.create(t, class); a.status != r.created {
				t.Errorf("the third time: %d %s", a.status, a.raw)
			}
			refused := r.log(t)[0]
			if refused.RoomID != nil || refused.Fault != sandbox.EffectRefuse || !refused.ReplyDelivered || refused.ClassroomID != class || "http://"+refused.Host != r.url || refused.RepliedAt < refused.At {
				t.Errorf("logged %+v", refused)
			}
		})
	})
	t.Run("refuse says what is usual", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			setFaults(t, r.url, sandbox.Fault{Operation: "any", Do: "refuse"})
			a := r.create(t, uuid.New())
			want := map[string]string{"event": "403 access_denied", "conference": "422 room_time_changing_forbidden"}[r.name]
			if got := fmt.Sprint(a.status, " ", a.body["type"]); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	})
	t.Run("fail does no work, until cleared", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			setFaults(t, r.url, sandbox.Fault{Operation: "create", Do: "fail"})
			for range 3 {
				if a := r.create(t, uuid.New()); a.status != http.StatusServiceUnavailable || a.body != nil {
					t.Errorf("got %d %s", a.status, a.raw)
				}
			}
			if err := sandboxclient.ClearFaults(t.Context(), r.url); err != nil {
				t.Fatal(err)
			}
			if a := r.create(t, uuid.New()); a.status != r.created {
				t.Errorf("cleared: %d %s", a.status, a.raw)
			}
			if rooms := r.rooms(t); len(rooms) != 1 {
				t.Errorf("%d rooms, want 1", len(rooms))
			}
		})
	})
	t.Run("hang ends with 503 when the faults are replaced", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			setFaults(t, r.url, sandbox.Fault{Operation: "create", Do: "hang", Times: 1})
			answered := make(chan answer, 1)
			go func() { answered <- r.create(t, uuid.New()) }()
			eventually(t, "the create hangs", func() bool { return remaining(t, r)[0] == 0.0 })
			setFaults(t, r.url)
			if a := <-answered; a.status != http.StatusServiceUnavailable {
				t.Errorf("got %d %s", a.status, a.raw)
			}
			if rooms := r.rooms(t); len(rooms) != 0 {
				t.Errorf("%d rooms, want none", len(rooms))
			}
		})
	})
	t.Run("hang ends with the client", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			setFaults(t, r.url, sandbox.Fault{Operation: "create", Do: "hang"})
			sendAndHangUp(t, r.url, r.rawCreate(uuid.New()), 0)
			eventually(t, "the create is over", func() bool { return len(r.log(t)) == 1 })
			if c := r.log(t)[0]; c.RoomID != nil || c.ReplyDelivered || c.Fault != sandbox.EffectHang {
				t.Errorf("logged %+v", c)
			}
		})
	})
	t.Run("late answers all the same", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			setFaults(t, r.url, sandbox.Fault{Operation: "create", Do: "late", DelayMS: 20})
			if a := r.create(t, uuid.New()); a.status != r.created {
				t.Errorf("got %d %s", a.status, a.raw)
			}
		})
	})
	t.Run("late ends with the client", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			setFaults(t, r.url, sandbox.Fault{Operation: "create", Do: "late", DelayMS: 600_000})
			sendAndHangUp(t, r.url, r.rawCreate(uuid.New()), 0)
			eventually(t, "the create is over", func() bool { return len(r.log(t)) == 1 })
			if c := r.log(t)[0]; c.RoomID != nil || c.ReplyDelivered || c.Fault != sandbox.EffectLate {
				t.Errorf("logged %+v", c)
			}
		})
	})
	t.Run("late has room and log entry at once, before it answers", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			setFaults(t, r.url, sandbox.Fault{Operation: "create", Do: "late", DelayMS: 400})
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				sendAndHangUp(t, r.url, r.rawCreate(uuid.New()), time.Second)
			}()
			eventually(t, "the room exists", func() bool { return len(r.rooms(t)) == 1 })
			if log := r.log(t); len(log) != 1 || *log[0].RoomID != r.rooms(t)[0].ID {
				t.Errorf("log %+v", log)
			}
			<-sent
		})
	})
	t.Run("lose_reply does the work", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			setFaults(t, r.url, sandbox.Fault{Operation: "create", Do: "lose_reply", Times: 1})
			if a := r.create(t, uuid.New()); a.err == nil {
				t.Errorf("answered %d %s", a.status, a.raw)
			}
			if rooms := r.rooms(t); len(rooms) != 1 || !rooms[0].Open {
				t.Errorf("rooms %+v, want one that is open", rooms)
			}
			if log := r.log(t); len(log) != 1 || log[0].RoomID == nil || log[0].ReplyDelivered || !log[0].Announced {
				t.Errorf("log %+v", log)
			}
			if told := r.told.rooms(t); len(told) != 1 {
				t.Errorf("announced %+v", told)
			}
		})
	})
	t.Run("each operation has its own", testFaultsByOperation)
	t.Run("what is not understood is named", testFaultsRejected)
}

func testFaultsByOperation(t *testing.T) {
	operations := map[string]map[sandbox.Operation][3]string{
		"event": {
			"read": {"GET", "", ""}, "update": {"PATCH", "", `{"time":[0,1]}`}, "lock": {"POST", "/locked_types", `{"locked_types":{"message":true}}`},
		},
		"conference": {
			"read": {"GET", "", ""}, "update": {"PATCH", "", `{"reserve":5}`}, "close": {"POST", "/close", ""},
		},
	}
	eachStandIn(t, func(t *testing.T, r running) {
		class := uuid.New()
		id := r.create(t, class).body["id"].(string)
		for operation, request := range operations[r.name] {
			setFaults(t, r.url,
				sandbox.Fault{Operation: "create", Do: "fail", Status: 500},
				sandbox.Fault{Operation: operation, ClassroomID: &class, Do: "fail", Status: 502, Times: 1},
			)
			if a := r.do(t, request[0], "/api/v1/rooms/"+id+request[1], request[2]); a.status != http.StatusBadGateway {
				t.Errorf("%s: got %d %s", operation, a.status, a.raw)
			}
			if left := remaining(t, r); left[1] != 0.0 {
				t.Errorf("%s: %v left", operation, left)
			}
		}
		if room := r.rooms(t)[0]; !room.Open || len(room.LockedTypes) > 0 || room.Reserve != nil {
			t.Errorf("the room was changed: %+v", room)
		}
	})
}

func testFaultsRejected(t *testing.T) {
	eachStandIn(t, func(t *testing.T, r running) {
		setFaults(t, r.url, sandbox.Fault{Operation: "read", Do: "fail"})
		for body, field := range map[string]string{
			`[{"operation":"destroy","do":"fail"}]`:                    "operation",
			`[{"operation":"read","do":"explode"}]`:                    "do",
			`[{"operation":"read","do":"fail","times":-1}]`:            "times",
			`[{"operation":"read","do":"fail","status":200}]`:          "status",
			`[{"operation":"read","do":"fail","retry_after":-1}]`:      "retry_after",
			`[{"operation":"read","do":"late","delay_ms":-1}]`:         "delay_ms",
			`[{"operation":"read","do":"fail","colour":"red"}]`:        "colour",
			`[{"operation":"read","do":"fail","times":"x"}]`:           "times",
			`[{"operation":"read","do":"fail"},{"operation":"read"}]`:  "faults[1].do",
			`[{"operation":"read","do":"fail","classroom_id":"nope"}]`: "UUID",
			`{"operation":"read","do":"fail"}`:                         "faults",
		} {
			if a := r.do(t, http.MethodPut, "/sandbox/faults", body); a.status != http.StatusBadRequest || !strings.Contains(a.raw, field) {
				t.Errorf("%s: got %d %s, want 400 that names %s", body, a.status, a.raw, field)
			}
		}
		if left := remaining(t, r); len(left) != 1 || left[0] != nil {
			t.Errorf("the faults were replaced: %v", left)
		}
	})
}

// remaining returns what is left of each fault; nil is unlimited.
func remaining(t *testing.T, r running) (left []any) {
	t.Helper()
	var faults []map[string]any
	if err := json.Unmarshal([]byte(r.do(t, http.MethodGet, "/sandbox/faults", "").raw), &faults); err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		left = append(left, fault["remaining"])
	}
	return left
}

func TestRooms(t *testing.T) {
	t.Run("are shown by class, in order, and as open until they end", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			class := uuid.New()
			first, second := r.create(t, class).body["id"], r.create(t, class).body["id"]
			r.create(t, uuid.New())
			if a := r.do(t, http.MethodPatch, fmt.Sprint("/api/v1/rooms/", first), `{"time":[1000000000,1000000001]}`); a.status != http.StatusOK {
				t.Fatalf("close: %d %s", a.status, a.raw)
			}
			if all := r.rooms(t); len(all) != 3 {
				t.Errorf("%d rooms, want 3", len(all))
			}
			var rooms []sandbox.Room
			if err := json.Unmarshal([]byte(r.do(t, http.MethodGet, "/sandbox/rooms?classroom_id="+class.String(), "").raw), &rooms); err != nil {
				t.Fatal(err)
			}
			if len(rooms) != 2 || rooms[0].ID.String() != first || rooms[1].ID.String() != second || rooms[0].Open || !rooms[1].Open {
				t.Errorf("got %+v", rooms)
			}
			if a := r.do(t, http.MethodGet, "/sandbox/rooms?classroom_id=nope", ""); a.status != http.StatusBadRequest {
				t.Errorf("a malformed class: %d", a.status)
			}
		})
	})
	t.Run("and log survive a restart and a torn last line", func(t *testing.T) {
		for _, s := range standIns {
			t.Run(s.name, func(t *testing.T) { testRestart(t, s) })
		}
	})
	t.Run("a damaged state file is an error that names the line", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "state.jsonl")
		if err := os.WriteFile(file, []byte("{}\nnonsense\n{}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg := recordedConfig(newKey(t))
		cfg.StateFile = file
		if _, err := sandbox.NewEvent(cfg); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("got %v", err)
		}
	})
}

func testRestart(t *testing.T, s standIn) {
	file := filepath.Join(t.TempDir(), "state.jsonl")
	r, stop := run(t, s, file)
	class := uuid.New()
	id := r.create(t, class).body["id"].(string)
	r.do(t, http.MethodPatch, "/api/v1/rooms/"+id, `{"tags":{"a":[1.0,"x"]}}`)
	rooms, log := r.rooms(t), r.log(t)
	stop()

	tear(t, file)
	r, stop = run(t, s, file)
	if after := r.rooms(t); !reflect.DeepEqual(after, rooms) {
		t.Errorf("rooms %+v, want %+v", after, rooms)
	}
	if after := r.log(t); !reflect.DeepEqual(after, log) || !after[0].Announced {
		t.Errorf("log %+v, want %+v", after, log)
	}
	r.create(t, class)
	stop()

	r, stop = run(t, s, file)
	defer stop()
	if after := r.log(t); len(after) != 2 || !reflect.DeepEqual(after[:1], log) || !after[1].ReplyDelivered || after[1].Seq != 2 {
		t.Errorf("after the torn line: log %+v", after)
	}
	if after := r.rooms(t); len(after) != 2 || !reflect.DeepEqual(after[:1], rooms) {
		t.Errorf("after the torn line: rooms %+v", after)
	}
}

// tear leaves half a line at the end of the file, as a process killed while writing does.
func tear(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if _, err := file.WriteString(`{"room":{"id":"` + strings.Repeat("0", 5000)); err != nil {
		t.Fatal(err)
	}
}

func TestConfigurationMistakesAreNamed(t *testing.T) {
	_, err := sandbox.NewConference(sandbox.Config{
		Issuers:   map[string]sandbox.Issuer{"iam.example.org": {}},
		Audiences: map[string]sandbox.Authorization{"example.org": {Kind: "ldap"}},
		Announcer: &recorder{},
	})
	for _, mistake := range []string{`"iam.example.org" has no public key`, `kind of authorization "ldap"`, "no account"} {
		if err == nil || !strings.Contains(err.Error(), mistake) {
			t.Errorf("got %v, want %s", err, mistake)
		}
	}
}
