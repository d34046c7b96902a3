package conference_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/uuid"

	"minigroups/clients/clientstest"
	"minigroups/clients/conference"
	"minigroups/minigroup"
	"minigroups/sandbox"
)

func TestCreateRoom(t *testing.T) {
	t.Run("makes an owned room of the class that has no end", func(t *testing.T) {
		s := service.Start(t)
		request := s.NewRoom()
		request.Start = *s.At(3600)
		request.Tags = json.RawMessage(`{"scope": "math <7b>"}`)
		request.Reserve = new(int32(8))
		id, err := s.Client.CreateRoom(s.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		room := s.Room(id)
		if room.ClassroomID != request.ClassID || room.Audience != clientstest.Audience ||
			room.RTCSharingPolicy != "owned" || !room.Open || *room.Reserve != 8 ||
			!clientstest.SameTime(room.Time, &request.Start, nil) {
			t.Errorf("%+v", room)
		}
		var tags map[string]string
		if err := json.Unmarshal(room.Tags, &tags); err != nil || tags["scope"] != "math <7b>" {
			t.Errorf("tags %s: %v", room.Tags, err)
		}
	})

	t.Run("sends no reserve and no tags if there are none", func(t *testing.T) {
		s := service.Start(t)
		id, err := s.Client.CreateRoom(s.Context(), s.NewRoom())
		if err != nil {
			t.Fatal(err)
		}
		if room := s.Room(id); room.Reserve != nil || string(room.Tags) != "{}" {
			t.Errorf("%+v", room)
		}
	})

	t.Run("sends a reserve of 0", func(t *testing.T) {
		s := service.Start(t)
		request := s.NewRoom()
		request.Reserve = new(int32)
		id, err := s.Client.CreateRoom(s.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		if room := s.Room(id); room.Reserve == nil || *room.Reserve != 0 {
			t.Errorf("%+v", room)
		}
	})

	service.TestCreateRoom(t)
}

func TestRequests(t *testing.T) {
	id := clientstest.RoomID
	class := "99999999-2222-3333-4444-555555555555"
	create := func(tags json.RawMessage, reserve *int32) func(*conference.Client, context.Context) error {
		return func(c *conference.Client, ctx context.Context) error {
			_, err := c.CreateRoom(ctx, minigroup.NewConferenceRoom{
				Audience: clientstest.Audience, ClassID: uuid.MustParse(class), Start: 5, Tags: tags, Reserve: reserve,
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
	created := `POST /api/v1/rooms {"audience":"example.org","classroom_id":"` + class +
		`","time":[5,null],"rtc_sharing_policy":"owned"`
	read := func(c *conference.Client, ctx context.Context) error { _, err := c.Room(ctx, id); return err }
	closing := func(c *conference.Client, ctx context.Context) error { return c.CloseRoom(ctx, id) }
	for _, test := range []struct {
		name string
		call func(*conference.Client, context.Context) error
		want string
	}{
		{"a create", create(nil, nil), created + "}"},
		{
			"a create with tags and reserve", create(json.RawMessage(`{"a":1}`), new(int32(8))),
			created + `,"reserve":8,"tags":{"a":1}}`,
		},
		{"a read", read, "GET " + room + " "},
		{"an empty patch", patch(minigroup.ConferencePatch{}), "PATCH " + room + " {}"},
		{
			"a patch of the time", patch(minigroup.ConferencePatch{Time: &minigroup.Window{Start: new(int64(5))}}),
			"PATCH " + room + ` {"time":[5,null]}`,
		},
		{
			"a patch of the reserve", patch(minigroup.ConferencePatch{Reserve: new(int32)}),
			"PATCH " + room + ` {"reserve":0}`,
		},
		{"a patch of the host", patch(minigroup.ConferencePatch{Host: new("a.b.c")}), "PATCH " + room + ` {"host":"a.b.c"}`},
		{"a close", closing, "POST " + room + "/close "},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := service.Request(t, test.call); got != test.want {
				t.Errorf("sent %s", got)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	service.TestFaults(t, map[sandbox.Fault]string{
		{Do: sandbox.EffectRefuse, Type: "access_denied"}:                          clientstest.Refused,
		{Do: sandbox.EffectRefuse, Type: "database_connection_acquisition_failed"}: clientstest.MaybeDone,
		{Do: sandbox.EffectRefuse, Type: "mqtt_publish_failed"}:                    clientstest.MaybeDone,
		{Do: sandbox.EffectRefuse, Type: "nats_publish_failed"}:                    clientstest.MaybeDone,
		{Do: sandbox.EffectRefuse, Type: "backend_request_failed", Status: 424}:    clientstest.MaybeDone,
	})

	t.Run("a create that fails with database_query_failed may have made the room", func(t *testing.T) {
		s := service.Start(t)
		s.SetFaults(sandbox.Fault{
			Operation: sandbox.OperationCreate, Do: sandbox.EffectRefuse, Type: "database_query_failed",
		})
		_, err := s.Client.CreateRoom(s.Context(), s.NewRoom())
		if failed := service.Failure(t, err); clientstest.Verdict(failed) != clientstest.MaybeDone {
			t.Errorf("%+v", failed)
		}
	})
}

func TestUnknownRoom(t *testing.T) { service.TestUnknownRoom(t) }

func TestRoom(t *testing.T) {
	for _, test := range []struct {
		name       string
		start, end int64
	}{{"an open room", -10, 3600}, {"a closed room", -20, -10}} {
		t.Run("returns "+test.name, func(t *testing.T) {
			s := service.Start(t)
			start, end := s.At(test.start), s.At(test.end)
			id := s.MakeRoom(start, end)
			room, err := s.Client.Room(s.Context(), id)
			if err != nil || room.ID != id || !room.Time.Equal(minigroup.Window{Start: start, End: end}) ||
				room.Reserve != nil || room.Host != "" {
				t.Errorf("%+v, %v", room, err)
			}
		})
	}

	t.Run("returns a room without bounds", func(t *testing.T) {
		s := service.Start(t)
		room, err := s.Client.Room(s.Context(), s.MakeRoom(nil, nil))
		if err != nil || !room.Time.Equal(minigroup.Window{}) {
			t.Errorf("%+v, %v", room, err)
		}
	})
}

func TestPatchRoom(t *testing.T) {
	const host = "web.alice.usr.example.org"
	t.Run("changes the fields that are set and no others", func(t *testing.T) {
		s := service.Start(t)
		start := s.At(3600)
		id := s.MakeRoom(start, nil)
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
			{"start", minigroup.ConferencePatch{Time: &minigroup.Window{Start: s.At(7200)}}, func() {
				want.Time.Start = s.At(7200)
			}},
			{"start and end", minigroup.ConferencePatch{Time: &minigroup.Window{Start: s.At(60), End: s.At(90)}}, func() {
				want.Time = minigroup.Window{Start: s.At(60), End: s.At(90)}
			}},
		} {
			step.change()
			changed, err := s.Client.PatchRoom(s.Context(), id, step.patch)
			if err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			read, err := s.Client.Room(s.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range []minigroup.ConferenceRoomState{changed, read} {
				if got.ID != id || got.Host != want.Host || !sameReserve(got.Reserve, want.Reserve) ||
					!got.Time.Equal(want.Time) {
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
		{
			name: "a closed room accepts no time", start: -20, end: -10,
			patch: func(s *standIn) minigroup.ConferencePatch {
				return minigroup.ConferencePatch{Time: &minigroup.Window{Start: s.At(0), End: s.At(60)}}
			},
			want: clientstest.Refused, typ: "room_closed",
		},
		{
			name: "the end of a room cannot be removed", start: -20, end: 60,
			patch: func(s *standIn) minigroup.ConferencePatch {
				return minigroup.ConferencePatch{Time: &minigroup.Window{Start: s.At(-20)}}
			},
			want: clientstest.Refused, typ: "room_time_changing_forbidden",
		},
		{
			name: "a time that ends before it starts is invalid", start: -20, end: 60,
			patch: func(s *standIn) minigroup.ConferencePatch {
				return minigroup.ConferencePatch{Time: &minigroup.Window{Start: s.At(5), End: s.At(3)}}
			},
			want: clientstest.Refused, typ: "invalid_room_time",
		},
		{
			name: "a host that is not an agent id is invalid", start: -20, end: 60,
			patch: func(*standIn) minigroup.ConferencePatch {
				return minigroup.ConferencePatch{Host: new("alice")}
			},
			want: clientstest.Refused,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := service.Start(t)
			id := s.MakeRoom(s.At(test.start), s.At(test.end))
			_, err := s.Client.PatchRoom(s.Context(), id, test.patch(s))
			if failed := service.Failure(t, err); clientstest.Verdict(failed) != test.want || failed.Type != test.typ {
				t.Errorf("%+v", failed)
			}
			room := s.Room(id)
			if !clientstest.SameTime(room.Time, s.At(test.start), s.At(test.end)) || room.Host != nil {
				t.Errorf("%+v", room)
			}
		})
	}
}

func sameReserve(a, b *int32) bool {
	return (a == nil) == (b == nil) && (a == nil || *a == *b)
}

func TestReplies(t *testing.T) {
	id := clientstest.RoomID.String()
	reply := func(name, body string) clientstest.Reply {
		return clientstest.Reply{Name: name, Body: body, Create: clientstest.Done, Change: clientstest.MaybeDone}
	}
	service.TestReplies(t,
		reply("no time", `{"id":"`+id+`"}`),
		reply("a time of one element", `{"id":"`+id+`","time":[1]}`),
		reply("a time of floats", `{"id":"`+id+`","time":[1.5,null]}`),
	)
}

func TestCancelledCreate(t *testing.T) { service.TestCancelledCreate(t) }
