package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

func TestFaults(t *testing.T) {
	t.Run("refuse applies to one class, twice", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			class := uuid.New()
			setFaults(t, r.url, sandbox.Fault{
				Operation: "create", ClassroomID: &class, Do: "refuse",
				Type: "no_available_backends", Times: 2, RetryAfter: 7,
			})
			for range 2 {
				a := r.create(t, class)
				if a.status != http.StatusServiceUnavailable || a.body["type"] != "no_available_backends" ||
					a.header.Get("Retry-After") != "7" {
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
			if refused.RoomID != nil || refused.Fault != sandbox.EffectRefuse || refused.ClassroomID != class {
				t.Errorf("logged %+v", refused)
			}
			if !refused.ReplyDelivered || "http://"+refused.Host != r.url || refused.RepliedAt < refused.At {
				t.Errorf("logged %+v", refused)
			}
		})
	})
	t.Run("refuse has a default type", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			setFaults(t, r.url, sandbox.Fault{Operation: "any", Do: "refuse"})
			a := r.create(t, uuid.New())
			want := map[string]string{
				"event": "403 access_denied", "conference": "422 room_time_changing_forbidden",
			}
			if got := fmt.Sprint(a.status, " ", a.body["type"]); got != want[r.name] {
				t.Errorf("got %s, want %s", got, want[r.name])
			}
		})
	})
	t.Run("fail does no work until the faults are cleared", func(t *testing.T) {
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
				t.Errorf("after they are cleared: %d %s", a.status, a.raw)
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
	t.Run("one is added and removed, the others keep their counts", func(t *testing.T) {
		eachStandIn(t, testAddedFault)
	})
	t.Run("hang ends when the client disconnects", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			setFaults(t, r.url, sandbox.Fault{Operation: "create", Do: "hang"})
			sendAndHangUp(t, r.url, r.rawCreate(uuid.New()), 0)
			eventually(t, "the create has ended", func() bool { return len(r.log(t)) == 1 })
			if c := r.log(t)[0]; c.RoomID != nil || c.ReplyDelivered || c.Fault != sandbox.EffectHang {
				t.Errorf("logged %+v", c)
			}
		})
	})
	t.Run("late replies", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			setFaults(t, r.url, sandbox.Fault{Operation: "create", Do: "late", DelayMS: 20})
			if a := r.create(t, uuid.New()); a.status != r.created {
				t.Errorf("got %d %s", a.status, a.raw)
			}
		})
	})
	t.Run("late ends when the client disconnects", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			setFaults(t, r.url, sandbox.Fault{Operation: "create", Do: "late", DelayMS: 600_000})
			sendAndHangUp(t, r.url, r.rawCreate(uuid.New()), 0)
			eventually(t, "the create has ended", func() bool { return len(r.log(t)) == 1 })
			if c := r.log(t)[0]; c.RoomID != nil || c.ReplyDelivered || c.Fault != sandbox.EffectLate {
				t.Errorf("logged %+v", c)
			}
		})
	})
	t.Run("late has room and log entry before it replies", func(t *testing.T) {
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
	t.Run("lose_reply does the work and publishes", func(t *testing.T) {
		eachStandIn(t, func(t *testing.T, r running) {
			setFaults(t, r.url, sandbox.Fault{Operation: "create", Do: "lose_reply", Times: 1})
			if a := r.create(t, uuid.New()); a.err == nil {
				t.Errorf("replied %d %s", a.status, a.raw)
			}
			if rooms := r.rooms(t); len(rooms) != 1 || !rooms[0].Open {
				t.Errorf("rooms %+v, want one that is open", rooms)
			}
			if log := r.log(t); len(log) != 1 || log[0].RoomID == nil || log[0].ReplyDelivered || !log[0].Published {
				t.Errorf("log %+v", log)
			}
			if published := r.published.rooms(t); len(published) != 1 {
				t.Errorf("published %+v", published)
			}
		})
	})
	t.Run("each operation has its own faults", testFaultsByOperation)
	t.Run("an invalid field is named", testFaultsRejected)
}

func testFaultsByOperation(t *testing.T) {
	operations := map[string]map[sandbox.Operation][3]string{ // method, end of the path, body
		"event": {
			"read": {"GET", "", ""}, "update": {"PATCH", "", `{"time":[0,1]}`},
			"lock": {"POST", "/locked_types", `{"locked_types":{"message":true}}`},
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
			a := r.do(t, request[0], "/api/v1/rooms/"+id+request[1], request[2])
			if a.status != http.StatusBadGateway {
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
			a := r.do(t, http.MethodPut, "/sandbox/faults", body)
			if a.status != http.StatusBadRequest || !strings.Contains(a.raw, field) {
				t.Errorf("%s: got %d %s, want 400 that names %s", body, a.status, a.raw, field)
			}
		}
		if left := remaining(t, r); len(left) != 1 || left[0] != nil {
			t.Errorf("the faults were replaced: %v", left)
		}
	})
}

// testAddedFault adds and removes a fault while another one is used up and a third lets a create hang.
func testAddedFault(t *testing.T, r running) {
	add := func(f sandbox.Fault) uuid.UUID {
		t.Helper()
		id, err := sandboxclient.AddFault(t.Context(), r.url, f)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	remove := func(id uuid.UUID) {
		t.Helper()
		if err := sandboxclient.RemoveFault(t.Context(), r.url, id); err != nil {
			t.Error(err)
		}
	}
	once, held, hit := uuid.New(), uuid.New(), uuid.New()
	usedUp := add(sandbox.Fault{Operation: "create", ClassroomID: &once, Do: "fail", Times: 1})
	if a := r.create(t, once); a.status != http.StatusServiceUnavailable {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	hangs := add(sandbox.Fault{Operation: "create", ClassroomID: &held, Do: "hang", Times: 1})
	answered := make(chan answer, 1)
	go func() { answered <- r.create(t, held) }()
	eventually(t, "the create hangs", func() bool { return remaining(t, r)[1] == 0.0 })

	fails := add(sandbox.Fault{Operation: "create", ClassroomID: &hit, Do: "fail"})
	if a := r.create(t, hit); a.status != http.StatusServiceUnavailable {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	remove(fails)
	for _, class := range []uuid.UUID{once, hit} {
		if a := r.create(t, class); a.status != r.created {
			t.Errorf("got %d %s", a.status, a.raw)
		}
	}
	select {
	case a := <-answered:
		t.Errorf("a create whose fault is still there was answered: %d %s", a.status, a.raw)
	default:
	}
	remove(usedUp)
	remove(hangs)
	if a := <-answered; a.status != http.StatusServiceUnavailable {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	if left := remaining(t, r); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if err := sandboxclient.RemoveFault(t.Context(), r.url, hangs); err == nil {
		t.Error("a fault was removed twice")
	}
	unknown := sandbox.Fault{Operation: "create", Do: "explode"}
	if _, err := sandboxclient.AddFault(t.Context(), r.url, unknown); err == nil ||
		!strings.Contains(err.Error(), "do: ") {
		t.Errorf("got %v, want an error that names do", err)
	}
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
