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
	t.Run("makes an owned room of the class, without end", func(t *testing.T) {
		s := service.Start(t)
		asked := s.NewRoom()
		asked.Start = *s.At(3600)
		asked.Tags = json.RawMessage(`{"scope": "math <7b>"}`)
		asked.Reserve = new(int32(8))
		id, err := s.Client.CreateRoom(s.Context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		room := s.Room(id)
		if room.ClassroomID != asked.ClassID || room.Audience != clientstest.Audience || room.RTCSharingPolicy != "owned" || !room.Open || !clientstest.SameTime(room.Time, &asked.Start, nil) || *room.Reserve != 8 {
			t.Errorf("%+v", room)
		}
		var tags map[string]string
		if err := json.Unmarshal(room.Tags, &tags); err != nil || tags["scope"] != "math <7b>" {
			t.Errorf("tags %s: %v", room.Tags, err)
		}
	})

	t.Run("sends neither reserve nor tags where there are none", func(t *testing.T) {
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
		asked := s.NewRoom()
		asked.Reserve = new(int32)
		id, err := s.Client.CreateRoom(s.Context(), asked)
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
			if got := service.Sent(t, test.call); got != test.want {
				t.Errorf("sent %s", got)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	service.TestFaults(t, map[sandbox.Fault]string{
		{Do: sandbox.EffectRefuse, Type: "access_denied"}:                          "refused",
		{Do: sandbox.EffectRefuse, Type: "database_connection_acquisition_failed"}: "maybe done",
		{Do: sandbox.EffectRefuse, Type: "mqtt_publish_failed"}:                    "maybe done",
		{Do: sandbox.EffectRefuse, Type: "nats_publish_failed"}:                    "maybe done",
		{Do: sandbox.EffectRefuse, Type: "backend_request_failed", Status: 424}:    "maybe done",
	})

	t.Run("a create whose database query failed may have made the room", func(t *testing.T) {
		s := service.Start(t)
		s.SetFaults(sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectRefuse, Type: "database_query_failed"})
		_, err := s.Client.CreateRoom(s.Context(), s.NewRoom())
		if failed := service.Failure(t, err); clientstest.Verdict(failed) != "maybe done" {
			t.Errorf("%+v", failed)
		}
	})
}

func TestUnseenRoom(t *testing.T) { service.TestUnseenRoom(t) }

func TestRoom(t *testing.T) {
	for _, test := range []struct {
		name       string
		start, end int64
	}{{"an open room", -10, 3600}, {"a closed room", -20, -10}} {
		t.Run("shows "+test.name, func(t *testing.T) {
			s := service.Start(t)
			start, end := s.At(test.start), s.At(test.end)
			id := s.Make(start, end)
			room, err := s.Client.Room(s.Context(), id)
			if err != nil || room.ID != id || !room.Time.Equal(minigroup.Window{Start: start, End: end}) || room.Reserve != nil || room.Host != "" {
				t.Errorf("%+v, %v", room, err)
			}
		})
	}

	t.Run("shows a room without bounds", func(t *testing.T) {
		s := service.Start(t)
		if room, err := s.Client.Room(s.Context(), s.Make(nil, nil)); err != nil || !room.Time.Equal(minigroup.Window{}) {
			t.Errorf("%+v, %v", room, err)
		}
	})
}

func TestPatchRoom(t *testing.T) {
	const host = "web.alice.usr.example.org"
	t.Run("changes what is given and nothing else", func(t *testing.T) {
		s := service.Start(t)
		start := s.At(3600)
		id := s.Make(start, nil)
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
			{"start", minigroup.ConferencePatch{Time: &minigroup.Window{Start: s.At(7200)}}, func() { want.Time.Start = s.At(7200) }},
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
			return minigroup.ConferencePatch{Time: &minigroup.Window{Start: s.At(0), End: s.At(60)}}
		}, "refused", "room_closed"},
		{"a room with an end does not lose it", -20, 60, func(s *standIn) minigroup.ConferencePatch {
			return minigroup.ConferencePatch{Time: &minigroup.Window{Start: s.At(-20)}}
		}, "refused", "room_time_changing_forbidden"},
		{"a time that ends before it starts is none", -20, 60, func(s *standIn) minigroup.ConferencePatch {
			return minigroup.ConferencePatch{Time: &minigroup.Window{Start: s.At(5), End: s.At(3)}}
		}, "refused", "invalid_room_time"},
		{"a host who is no agent is none", -20, 60, func(*standIn) minigroup.ConferencePatch {
			return minigroup.ConferencePatch{Host: new("alice")}
		}, "refused", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := service.Start(t)
			id := s.Make(s.At(test.start), s.At(test.end))
			_, err := s.Client.PatchRoom(s.Context(), id, test.patch(s))
			if failed := service.Failure(t, err); clientstest.Verdict(failed) != test.want || failed.Type != test.typ {
				t.Errorf("%+v", failed)
			}
			if room := s.Room(id); !clientstest.SameTime(room.Time, s.At(test.start), s.At(test.end)) || room.Host != nil {
				t.Errorf("%+v", room)
			}
		})
	}
}

func sameReserve(a, b *int32) bool {
	return (a == nil) == (b == nil) && (a == nil || *a == *b)
}

func TestOddReplies(t *testing.T) {
	id := clientstest.RoomID.String()
	service.TestOddReplies(t,
		clientstest.OddReply{Name: "no time", Text: `{"id":"` + id + `"}`, Create: "done", Change: "maybe done"},
		clientstest.OddReply{Name: "half a time", Text: `{"id":"` + id + `","time":[1]}`, Create: "done", Change: "maybe done"},
		clientstest.OddReply{Name: "a time of floats", Text: `{"id":"` + id + `","time":[1.5,null]}`, Create: "done", Change: "maybe done"},
	)
}

func TestHangingUp(t *testing.T) { service.TestHangingUp(t) }
