package conference_test

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

	"minigroups/clients/conference"
	"minigroups/clients/rest"
	"minigroups/minigroup"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

func (s *standIn) newRoom() minigroup.NewConferenceRoom {
	return minigroup.NewConferenceRoom{Audience: audience, ClassID: uuid.New(), Start: s.now.Load()}
}

func TestCreateRoom(t *testing.T) {
	t.Run("makes an owned room of the class, without end", func(t *testing.T) {
		s := startStandIn(t)
		asked := s.newRoom()
		asked.Start = *s.at(3600)
		asked.Tags = json.RawMessage(`{"scope": "math <7b>"}`)
		asked.Reserve = new(int32(8))
		id, err := s.CreateRoom(s.context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		room := s.room(id)
		if room.ClassroomID != asked.ClassID || room.Audience != audience || room.RTCSharingPolicy != "owned" || !room.Open || !sameTime(room.Time, &asked.Start, nil) || *room.Reserve != 8 {
			t.Errorf("%+v", room)
		}
		var tags map[string]string
		if err := json.Unmarshal(room.Tags, &tags); err != nil || tags["scope"] != "math <7b>" {
			t.Errorf("tags %s: %v", room.Tags, err)
		}
	})

	t.Run("sends neither reserve nor tags where there are none", func(t *testing.T) {
		s := startStandIn(t)
		id, err := s.CreateRoom(s.context(), s.newRoom())
		if err != nil {
			t.Fatal(err)
		}
		if room := s.room(id); room.Reserve != nil || string(room.Tags) != "{}" {
			t.Errorf("%+v", room)
		}
	})

	t.Run("sends a reserve of 0", func(t *testing.T) {
		s := startStandIn(t)
		asked := s.newRoom()
		asked.Reserve = new(int32)
		id, err := s.CreateRoom(s.context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		if room := s.room(id); room.Reserve == nil || *room.Reserve != 0 {
			t.Errorf("%+v", room)
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
		client := conference.New(s.server.URL, s.raw.Transport, func() (string, error) { return "rubbish", nil })
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
	create := func(tags json.RawMessage, reserve *int32) func(*conference.Client, context.Context) error {
		return func(c *conference.Client, ctx context.Context) error {
			_, err := c.CreateRoom(ctx, minigroup.NewConferenceRoom{
				Audience: audience, ClassID: uuid.MustParse(class), Start: 5, Tags: tags, Reserve: reserve,
			})
			return err
		}
	}
	patch := func(p minigroup.ConferencePatch) func(*conference.Client, context.Context) error {
		return func(c *conference.Client, ctx context.Context) error {
			_, err := c.PatchRoom(ctx, id, p)
			return err
		}
	}
	room := "/api/v1/rooms/" + id.String()
	created := `POST /api/v1/rooms {"audience":"example.org","classroom_id":"` + class + `","time":[5,null],"rtc_sharing_policy":"owned"`
	for _, test := range []struct {
		name string
		call func(*conference.Client, context.Context) error
		want string
	}{
		{"a create", create(nil, nil), created + "}"},
		{"a create with tags and reserve", create(json.RawMessage(`{"a":1}`), new(int32(8))), created + `,"reserve":8,"tags":{"a":1}}`},
		{"a read", func(c *conference.Client, ctx context.Context) error { _, err := c.Room(ctx, id); return err }, "GET " + room + " "},
		{"an empty patch", patch(minigroup.ConferencePatch{}), "PATCH " + room + " {}"},
		{"a patch of the time", patch(minigroup.ConferencePatch{Time: &minigroup.Window{Start: new(int64(5))}}), "PATCH " + room + ` {"time":[5,null]}`},
		{"a patch of the reserve", patch(minigroup.ConferencePatch{Reserve: new(int32)}), "PATCH " + room + ` {"reserve":0}`},
		{"a patch of the host", patch(minigroup.ConferencePatch{Host: new("a.b.c")}), "PATCH " + room + ` {"host":"a.b.c"}`},
		{"a close", func(c *conference.Client, ctx context.Context) error { return c.CloseRoom(ctx, id) }, "POST " + room + "/close "},
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
			client := conference.New(server.URL, transport, func() (string, error) { return "token", nil })
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
	const create, read, update, closing = sandbox.OperationCreate, sandbox.OperationRead, sandbox.OperationUpdate, sandbox.OperationClose
	calls := map[sandbox.Operation]func(*standIn, context.Context, uuid.UUID) error{
		create: func(s *standIn, ctx context.Context, _ uuid.UUID) error {
			_, err := s.CreateRoom(ctx, s.newRoom())
			return err
		},
		read: func(s *standIn, ctx context.Context, id uuid.UUID) error {
			_, err := s.Room(ctx, id)
			return err
		},
		update: func(s *standIn, ctx context.Context, id uuid.UUID) error {
			_, err := s.PatchRoom(ctx, id, minigroup.ConferencePatch{Reserve: new(int32(3))})
			return err
		},
		closing: func(s *standIn, ctx context.Context, id uuid.UUID) error { return s.CloseRoom(ctx, id) },
	}
	for _, test := range []struct {
		fault sandbox.Fault
		want  string
	}{
		{sandbox.Fault{Do: sandbox.EffectRefuse}, "refused"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "access_denied"}, "refused"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "invalid_payload"}, "refused"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "invalid_room_time"}, "refused"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "authorization_failed"}, "not done"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "room_not_found"}, "not done"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "database_connection_acquisition_failed"}, "maybe done"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "mqtt_publish_failed"}, "maybe done"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "nats_publish_failed"}, "maybe done"},
		{sandbox.Fault{Do: sandbox.EffectRefuse, Type: "backend_request_failed", Status: 424}, "maybe done"},
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
			fault, want := test.fault, test.want
			fault.Operation = operation
			if operation == read && want == "maybe done" {
				want = "not done"
			}
			t.Run(strings.Join([]string{string(operation), string(fault.Do), http.StatusText(fault.Status), fault.Type, "is", want}, " "), func(t *testing.T) {
				s := startStandIn(t)
				id := s.make(s.at(-10), nil)
				s.setFaults(fault)
				ctx := s.context()
				if fault.Do == sandbox.EffectHang {
					ctx = bounded(t, 50*time.Millisecond)
				}
				failed := failure(t, call(s, ctx, id))
				if verdict(failed) != want || failed.Type != fault.Type && fault.Type != "" || failed.RetryAfter != time.Duration(fault.RetryAfter)*time.Second {
					t.Errorf("%s: %+v", verdict(failed), failed)
				}
				done := fault.Do == sandbox.EffectLoseReply
				room := s.room(id)
				switch operation {
				case create:
					if made := len(s.rooms()) == 2; made != done {
						t.Errorf("made: %v", made)
					}
				case update:
					if (room.Reserve != nil) != done {
						t.Errorf("%+v", room)
					}
				case closing:
					if room.Open == done {
						t.Errorf("%+v", room)
					}
				}
			})
		}
	}

	t.Run("a create whose database query failed may have made the room", func(t *testing.T) {
		s := startStandIn(t)
		s.setFaults(sandbox.Fault{Operation: create, Do: sandbox.EffectRefuse, Type: "database_query_failed"})
		_, err := s.CreateRoom(s.context(), s.newRoom())
		if failed := failure(t, err); verdict(failed) != "maybe done" {
			t.Errorf("%+v", failed)
		}
	})
}

func TestRoom(t *testing.T) {
	for _, test := range []struct {
		name       string
		start, end int64
	}{{"an open room", -10, 3600}, {"a closed room", -20, -10}} {
		t.Run("shows "+test.name, func(t *testing.T) {
			s := startStandIn(t)
			start, end := s.at(test.start), s.at(test.end)
			id := s.make(start, end)
			room, err := s.Room(s.context(), id)
			if err != nil || room.ID != id || !room.Time.Equal(minigroup.Window{Start: start, End: end}) || room.Reserve != nil || room.Host != "" {
				t.Errorf("%+v, %v", room, err)
			}
		})
	}

	t.Run("shows a room without bounds", func(t *testing.T) {
		s := startStandIn(t)
		if room, err := s.Room(s.context(), s.make(nil, nil)); err != nil || !room.Time.Equal(minigroup.Window{}) {
			t.Errorf("%+v, %v", room, err)
		}
	})

	t.Run("that conference does not see may be tried again", func(t *testing.T) {
		s := startStandIn(t)
		_, err := s.Room(s.context(), uuid.New())
		if failed := failure(t, err); verdict(failed) != "not done" || failed.Type != "room_not_found" {
			t.Errorf("%+v", failed)
		}
	})
}

func TestPatchRoom(t *testing.T) {
	const host = "web.alice.usr.example.org"
	t.Run("changes what is given and nothing else", func(t *testing.T) {
		s := startStandIn(t)
		start := s.at(3600)
		id := s.make(start, nil)
		want := minigroup.ConferenceRoomState{ID: id, Time: minigroup.Window{Start: start}}
		for _, step := range []struct {
			name   string
			patch  minigroup.ConferencePatch
			change func()
		}{
			{"nothing", minigroup.ConferencePatch{}, func() {}},
			{"host", minigroup.ConferencePatch{Host: new(host)}, func() { want.Host = host }},
			{"reserve", minigroup.ConferencePatch{Reserve: new(int32(5))}, func() { want.Reserve = new(int32(5)) }},
			{"reserve of 0", minigroup.ConferencePatch{Reserve: new(int32)}, func() { want.Reserve = new(int32) }},
			{"start", minigroup.ConferencePatch{Time: &minigroup.Window{Start: s.at(7200)}}, func() { want.Time.Start = s.at(7200) }},
			{"start and end", minigroup.ConferencePatch{Time: &minigroup.Window{Start: s.at(60), End: s.at(90)}}, func() {
				want.Time = minigroup.Window{Start: s.at(60), End: s.at(90)}
			}},
		} {
			step.change()
			changed, err := s.PatchRoom(s.context(), id, step.patch)
			if err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			read, err := s.Room(s.context(), id)
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range []minigroup.ConferenceRoomState{changed, read} {
				if got.ID != id || got.Host != want.Host || !sameReserve(got.Reserve, want.Reserve) || !got.Time.Equal(want.Time) {
					t.Errorf("%s: %+v", step.name, got)
				}
			}
		}
	})

	for _, test := range []struct {
		name       string
		start, end int64 // seconds from now
		patch      func(*standIn) minigroup.ConferencePatch
		want, typ  string
	}{
		{"a closed room takes no time", -20, -10, func(s *standIn) minigroup.ConferencePatch {
			return minigroup.ConferencePatch{Time: &minigroup.Window{Start: s.at(0), End: s.at(60)}}
		}, "refused", "room_closed"},
		{"a room with an end does not lose it", -20, 60, func(s *standIn) minigroup.ConferencePatch {
			return minigroup.ConferencePatch{Time: &minigroup.Window{Start: s.at(-20)}}
		}, "refused", "room_time_changing_forbidden"},
		{"a time that ends before it starts is none", -20, 60, func(s *standIn) minigroup.ConferencePatch {
			return minigroup.ConferencePatch{Time: &minigroup.Window{Start: s.at(5), End: s.at(3)}}
		}, "refused", "invalid_room_time"},
		{"a host who is no agent is none", -20, 60, func(*standIn) minigroup.ConferencePatch {
			return minigroup.ConferencePatch{Host: new("alice")}
		}, "refused", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := startStandIn(t)
			id := s.make(s.at(test.start), s.at(test.end))
			_, err := s.PatchRoom(s.context(), id, test.patch(s))
			if failed := failure(t, err); verdict(failed) != test.want || failed.Type != test.typ {
				t.Errorf("%+v", failed)
			}
			if room := s.room(id); !sameTime(room.Time, s.at(test.start), s.at(test.end)) || room.Host != nil {
				t.Errorf("%+v", room)
			}
		})
	}

	t.Run("a room that conference does not see may be tried again", func(t *testing.T) {
		s := startStandIn(t)
		_, err := s.PatchRoom(s.context(), uuid.New(), minigroup.ConferencePatch{})
		if failed := failure(t, err); verdict(failed) != "not done" || failed.Type != "room_not_found" {
			t.Errorf("%+v", failed)
		}
	})
}

func sameReserve(a, b *int32) bool {
	return (a == nil) == (b == nil) && (a == nil || *a == *b)
}

func TestOddReplies(t *testing.T) {
	id := uuid.New()
	const done = "maybe done"
	for _, test := range []struct{ name, reply, create, change string }{
		{"a page", "<html>welcome</html>", done, done},
		{"half an object", `{"id":"0c3d`, done, done},
		{"no id", `{"time":[1,null]}`, done, done},
		{"an id that is none", `{"id":"0c3d","time":[1,null]}`, done, done},
		{"null", `null`, done, done},
		{"too much", `{"id":"` + id.String() + `","time":[1,null],"tags":"` + strings.Repeat("x", 2<<20) + `"}`, done, done},
		{"another room", `{"id":"` + uuid.NewString() + `","time":[1,null]}`, "done", done},
		{"no time", `{"id":"` + id.String() + `"}`, "done", done},
		{"half a time", `{"id":"` + id.String() + `","time":[1]}`, "done", done},
		{"a time of floats", `{"id":"` + id.String() + `","time":[1.5,null]}`, "done", done},
		{"the room", `{"id":"` + id.String() + `","time":[1,null]}`, "done", "done"},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := answering(t, test.reply)
			ctx := bounded(t, 20*time.Second)
			_, err := client.CreateRoom(ctx, minigroup.NewConferenceRoom{})
			if failed := failure(t, err); verdict(failed) != test.create {
				t.Errorf("create: %+v", failed)
			}
			_, err = client.PatchRoom(ctx, id, minigroup.ConferencePatch{})
			for _, err := range []error{err, client.CloseRoom(ctx, id)} {
				if failed := failure(t, err); verdict(failed) != test.change {
					t.Errorf("%+v", failed)
				}
			}
			if _, err := client.Room(ctx, id); (err == nil) != (test.change == "done") || err != nil && verdict(failure(t, err)) != "not done" {
				t.Errorf("read: %v", err)
			}
		})
	}
}

// answering is a client of a service that answers everything with 200 and this text.
func answering(t *testing.T, reply string) *conference.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, reply) }))
	transport := rest.NewTransport()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return conference.New(server.URL, transport, func() (string, error) { return "token", nil })
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
