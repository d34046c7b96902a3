package event_test

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/clients/event"
	"minigroups/clients/rest"
	"minigroups/minigroup"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

func (s *standIn) newRoom() minigroup.NewEventRoom {
	return minigroup.NewEventRoom{Audience: audience, ClassID: uuid.New(), Start: s.now.Load()}
}

func TestCreateRoom(t *testing.T) {
	t.Run("makes an open room of the class, without end", func(t *testing.T) {
		s := startStandIn(t)
		asked := s.newRoom()
		asked.Tags = json.RawMessage(`{"scope": "math <7b>"}`)
		id, err := s.CreateRoom(s.context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		room := s.room(id)
		if room.ClassroomID != asked.ClassID || room.Audience != audience || room.Kind != "Minigroup" || !room.Open || !sameTime(room.Time, &asked.Start, nil) {
			t.Errorf("%+v", room)
		}
		var tags map[string]string
		if err := json.Unmarshal(room.Tags, &tags); err != nil || tags["scope"] != "math <7b>" {
			t.Errorf("tags %s: %v", room.Tags, err)
		}
	})

	t.Run("sends no tags where there are none", func(t *testing.T) {
		s := startStandIn(t)
		id, err := s.CreateRoom(s.context(), s.newRoom())
		if err != nil {
			t.Fatal(err)
		}
		if tags := s.room(id).Tags; tags != nil {
			t.Errorf("tags %s", tags)
		}
	})

	t.Run("makes another room each time", func(t *testing.T) {
		s := startStandIn(t)
		asked := s.newRoom()
		for range 2 {
			if _, err := s.CreateRoom(s.context(), asked); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(s.rooms()); n != 2 {
			t.Errorf("%d rooms", n)
		}
	})

	t.Run("by a stranger is refused", func(t *testing.T) {
		s := startStandIn(t)
		s.subject = "stranger"
		_, err := s.CreateRoom(s.context(), s.newRoom())
		if failed := failure(t, err); verdict(failed) != "refused" || failed.Type != "access_denied" || failed.Status != 403 {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("with a token that is not ours is refused, and the token not told", func(t *testing.T) {
		s := startStandIn(t)
		client := event.New(s.server.URL, s.raw.Transport, func() (string, error) { return "rubbish", nil })
		_, err := client.CreateRoom(s.context(), s.newRoom())
		if failed := failure(t, err); verdict(failed) != "refused" || failed.Type != "invalid_authentication" || failed.Status != 401 || strings.Contains(err.Error(), "rubbish") {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("while authorization is down may be tried again", func(t *testing.T) {
		s := startStandIn(t)
		asked := s.newRoom()
		asked.Audience = "down.example.org"
		_, err := s.CreateRoom(s.context(), asked)
		if failed := failure(t, err); verdict(failed) != "not done" || failed.Type != "authorization_failed" {
			t.Errorf("%+v", failed)
		}
	})
}

func TestRequests(t *testing.T) {
	id := uuid.MustParse("11111111-2222-3333-4444-555555555555")
	class := "99999999-2222-3333-4444-555555555555"
	create := func(tags json.RawMessage) func(*event.Client, context.Context) error {
		return func(c *event.Client, ctx context.Context) error {
			_, err := c.CreateRoom(ctx, minigroup.NewEventRoom{Audience: audience, ClassID: uuid.MustParse(class), Start: 5, Tags: tags})
			return err
		}
	}
	room := "/api/v1/rooms/" + id.String()
	created := `POST /api/v1/rooms {"audience":"example.org","classroom_id":"` + class + `","kind":"Minigroup","time":[5,null],`
	for _, test := range []struct {
		name string
		call func(*event.Client, context.Context) error
		want string
	}{
		{"a create", create(nil), created + `"preserve_history":true}`},
		{"a create with tags", create(json.RawMessage(`{"a":1}`)), created + `"tags":{"a":1},"preserve_history":true}`},
		{"a lock", func(c *event.Client, ctx context.Context) error { return c.LockChat(ctx, id) }, "POST " + room + `/locked_types {"locked_types":{"message":true,"reaction":true}}`},
		{"a close", func(c *event.Client, ctx context.Context) error { return c.CloseRoom(ctx, id) }, "PATCH " + room + ` {"time":[0,1]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got string
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				got = r.Method + " " + r.URL.Path + " " + string(body)
			}))
			defer server.Close()
			transport := rest.NewTransport()
			defer transport.CloseIdleConnections()
			client := event.New(server.URL, transport, func() (string, error) { return "token", nil })
			if err := test.call(client, bounded(t, 20*time.Second)); err == nil {
				t.Error("an empty reply was taken")
			}
			if got != test.want {
				t.Errorf("sent %s", got)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	const lock, update, create = sandbox.OperationLock, sandbox.OperationUpdate, sandbox.OperationCreate
	calls := map[sandbox.Operation]func(*standIn, context.Context, uuid.UUID) error{
		create: func(s *standIn, ctx context.Context, _ uuid.UUID) error {
			_, err := s.CreateRoom(ctx, s.newRoom())
			return err
		},
		lock:   func(s *standIn, ctx context.Context, id uuid.UUID) error { return s.LockChat(ctx, id) },
		update: func(s *standIn, ctx context.Context, id uuid.UUID) error { return s.CloseRoom(ctx, id) },
	}
	for _, test := range []struct {
		fault sandbox.Fault
		want  string
	}{
		{sandbox.Fault{Do: sandbox.EffectRefuse}, "refused"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "invalid_payload"}, "refused"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "invalid_room_time"}, "refused"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "no_authn_config", Status: 401}, "refused"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "authorization_failed"}, "not done"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "database_connection_acquisition_failed"}, "not done"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "room_not_found"}, "not done"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "database_query_failed"}, "maybe done"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "broker_request_failed"}, "maybe done"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "mqtt_client_not_connected"}, "maybe done"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "internal_nats_error", Status: 424}, "maybe done"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "never_heard_of", Status: 422}, "maybe done"},
		{sandbox.Fault{Do: sandbox.EffectFail, RetryAfter: 7}, "maybe done"},
		{sandbox.Fault{Do: sandbox.EffectFail, Status: 429}, "maybe done"},
		{sandbox.Fault{Do: sandbox.EffectFail, Status: 502}, "maybe done"},
		{sandbox.Fault{Do: sandbox.EffectFail, Status: 422}, "refused"},
		{sandbox.Fault{Do: sandbox.EffectFail, Status: 415}, "refused"},
		{sandbox.Fault{Do: sandbox.EffectHang}, "maybe done"},
		{sandbox.Fault{Do: sandbox.EffectLoseReply}, "maybe done"},
	} {
		for operation, call := range calls {
			fault := test.fault
			fault.Operation = operation
			t.Run(strings.Join([]string{string(operation), string(fault.Do), http.StatusText(fault.Status), fault.Type, "is", test.want}, " "), func(t *testing.T) {
				s := startStandIn(t)
				id := s.make(s.at(-10), nil)
				s.setFaults(fault)
				ctx := s.context()
				if fault.Do == sandbox.EffectHang {
					ctx = bounded(t, 50*time.Millisecond)
				}
				failed := failure(t, call(s, ctx, id))
				if verdict(failed) != test.want || failed.Type != fault.Type && fault.Type != "" || failed.RetryAfter != time.Duration(fault.RetryAfter)*time.Second {
					t.Errorf("%s: %+v", verdict(failed), failed)
				}
				done := fault.Do == sandbox.EffectLoseReply
				room := s.room(id)
				switch operation {
				case create:
					if made := len(s.rooms()) == 2; made != done {
						t.Errorf("made: %v", made)
					}
				case lock:
					if room.LockedTypes["message"] != done {
						t.Errorf("%+v", room)
					}
				case update:
					if room.Open == done {
						t.Errorf("%+v", room)
					}
				}
			})
		}
	}
}

func TestLockChat(t *testing.T) {
	t.Run("locks messages and reactions, and again", func(t *testing.T) {
		s := startStandIn(t)
		id := s.make(s.at(-10), nil)
		for range 2 {
			if err := s.LockChat(s.context(), id); err != nil {
				t.Fatal(err)
			}
			if room := s.room(id); len(room.LockedTypes) != 2 || !room.LockedTypes["message"] || !room.LockedTypes["reaction"] || !room.Open {
				t.Errorf("%+v", room)
			}
		}
	})

	t.Run("in a room that event does not see may be tried again", func(t *testing.T) {
		s := startStandIn(t)
		if failed := failure(t, s.LockChat(s.context(), uuid.New())); verdict(failed) != "not done" || failed.Type != "room_not_found" {
			t.Errorf("%+v", failed)
		}
	})
}

func TestCloseRoom(t *testing.T) {
	for _, test := range []struct {
		name       string
		start, end int64 // seconds from now; 0 = unbounded
		keepsStart bool
	}{
		{"has not opened and has no end", 3600, 0, false},
		{"has not opened and has an end", 3600, 7200, false},
		{"is open and has no end", -10, 0, true},
		{"is open and has an end", -10, 3600, true},
		{"is closed", -20, -10, true},
	} {
		t.Run("a room that "+test.name, func(t *testing.T) {
			s := startStandIn(t)
			start, end := s.at(test.start), s.at(test.end)
			if test.end == 0 {
				end = nil
			}
			id := s.make(start, end)
			for range 2 {
				if err := s.CloseRoom(s.context(), id); err != nil {
					t.Fatal(err)
				}
				room := s.room(id)
				if room.Open || test.keepsStart && *room.Time[0] != *start {
					t.Errorf("%+v", room)
				}
			}
		})
	}

	t.Run("a room that event does not see may be tried again", func(t *testing.T) {
		s := startStandIn(t)
		if failed := failure(t, s.CloseRoom(s.context(), uuid.New())); verdict(failed) != "not done" || failed.Type != "room_not_found" {
			t.Errorf("%+v", failed)
		}
	})
}

func TestOddReplies(t *testing.T) {
	for name, reply := range map[string]string{
		"a page":             "<html>welcome</html>",
		"half an object":     `{"id":"0c3d`,
		"no id":              `{"kind":"Minigroup"}`,
		"an id that is none": `{"id":"0c3d"}`,
		"the empty id":       `{"id":"00000000-0000-0000-0000-000000000000"}`,
		"null":               `null`,
		"too much":           `{"id":"` + uuid.NewString() + `","tags":"` + strings.Repeat("x", 2<<20) + `"}`,
	} {
		t.Run(name+" leaves open what was done", func(t *testing.T) {
			client := answering(t, reply)
			ctx := bounded(t, 20*time.Second)
			_, err := client.CreateRoom(ctx, minigroup.NewEventRoom{})
			for _, err := range []error{err, client.LockChat(ctx, uuid.New()), client.CloseRoom(ctx, uuid.New())} {
				if failed := failure(t, err); verdict(failed) != "maybe done" || failed.Status != 200 {
					t.Errorf("%+v", failed)
				}
			}
		})
	}

	t.Run("another room's reply leaves open what was done", func(t *testing.T) {
		client := answering(t, `{"id":"`+uuid.NewString()+`"}`)
		ctx := bounded(t, 20*time.Second)
		for _, err := range []error{client.LockChat(ctx, uuid.New()), client.CloseRoom(ctx, uuid.New())} {
			if failed := failure(t, err); verdict(failed) != "maybe done" {
				t.Errorf("%+v", failed)
			}
		}
	})
}

// answering is a client of a service that answers everything with 200 and this text.
func answering(t *testing.T, reply string) *event.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, reply) }))
	transport := rest.NewTransport()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return event.New(server.URL, transport, func() (string, error) { return "token", nil })
}

func TestHangingUp(t *testing.T) {
	t.Run("in the middle of a create, what is said not to be done is not", func(t *testing.T) {
		s := startStandIn(t)
		const creates = 200
		verdicts := map[uuid.UUID]string{}
		for range creates {
			asked := s.newRoom()
			ctx, cancel := context.WithTimeout(t.Context(), rand.N(4*time.Millisecond))
			_, err := s.CreateRoom(ctx, asked)
			cancel()
			verdicts[asked.ClassID] = verdict(failure(t, err))
		}
		s.server.Close() // waits for the stand-in to drop them
		rooms := map[uuid.UUID]int{}
		for _, room := range s.rooms() {
			rooms[room.ClassroomID]++
		}
		count := map[string]int{}
		for class, verdict := range verdicts {
			count[verdict]++
			switch n := rooms[class]; {
			case n > 1, verdict == "done" && n != 1, verdict != "done" && verdict != "maybe done" && n != 0:
				t.Errorf("%s, and there are %d rooms", verdict, n)
			}
		}
		if count["done"]+count["maybe done"]+count["not done"] != creates || count["maybe done"] == 0 {
			t.Errorf("%v", count)
		}
	})

	t.Run("once the room is there leaves a room that nobody was told of", func(t *testing.T) {
		s := startStandIn(t)
		s.setFaults(sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLate, DelayMS: 3000})
		ctx, cancel := context.WithCancel(s.context())
		ended := make(chan error, 1)
		go func() {
			_, err := s.CreateRoom(ctx, s.newRoom())
			ended <- err
		}()
		await(t, func() bool { return len(s.rooms()) == 1 })
		cancel()
		if failed := failure(t, <-ended); verdict(failed) != "maybe done" {
			t.Errorf("%+v", failed)
		}
		await(t, func() bool {
			log, err := sandboxclient.Log(t.Context(), s.inspected.URL)
			if err != nil {
				t.Fatal(err)
			}
			return len(log) == 1 && log[0].RoomID != nil && !log[0].ReplyDelivered
		})
	})
}

// await polls until the condition holds.
func await(t *testing.T, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-deadline:
			t.Fatal("it never came to pass")
		case <-time.After(5 * time.Millisecond):
		}
	}
}
