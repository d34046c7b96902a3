package event_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"

	"minigroups/clients/clientstest"
	"minigroups/clients/event"
	"minigroups/minigroup"
	"minigroups/sandbox"
)

func TestCreateRoom(t *testing.T) {
	t.Run("makes an open room of the class that has no end", func(t *testing.T) {
		s := service.Start(t)
		request := s.NewRoom()
		request.Tags = json.RawMessage(`{"scope": "math <7b>"}`)
		id, err := s.Client.CreateRoom(s.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		room := s.Room(id)
		if room.ClassroomID != request.ClassID || room.Audience != clientstest.Audience || room.Kind != "Minigroup" ||
			!room.Open || !clientstest.SameTime(room.Time, &request.Start, nil) {
			t.Errorf("%+v", room)
		}
		var tags map[string]string
		if err := json.Unmarshal(room.Tags, &tags); err != nil || tags["scope"] != "math <7b>" {
			t.Errorf("tags %s: %v", room.Tags, err)
		}
	})

	t.Run("sends no tags if there are none", func(t *testing.T) {
		s := service.Start(t)
		id, err := s.Client.CreateRoom(s.Context(), s.NewRoom())
		if err != nil {
			t.Fatal(err)
		}
		if tags := s.Room(id).Tags; tags != nil {
			t.Errorf("tags %s", tags)
		}
	})

	service.TestCreateRoom(t)
}

func TestRequests(t *testing.T) {
	id := clientstest.RoomID
	class := "99999999-2222-3333-4444-555555555555"
	create := func(tags json.RawMessage) func(*event.Client, context.Context) error {
		return func(c *event.Client, ctx context.Context) error {
			_, err := c.CreateRoom(ctx, minigroup.NewEventRoom{
				Audience: clientstest.Audience, ClassID: uuid.MustParse(class), Start: 5, Tags: tags,
			})
			return err
		}
	}
	lock := func(locks minigroup.Locks) func(*event.Client, context.Context) error {
		return func(c *event.Client, ctx context.Context) error { return c.LockRoom(ctx, id, locks) }
	}
	room := "/api/v1/rooms/" + id.String()
	created := `POST /api/v1/rooms {"audience":"example.org","classroom_id":"` + class + `",` +
		`"kind":"Minigroup","time":[5,null],`
	lockPath := "POST " + room + "/locked_types "
	for _, test := range []struct {
		name string
		call func(*event.Client, context.Context) error
		want string
	}{
		{"a create", create(nil), created + `"preserve_history":true}`},
		{"a create with tags", create(json.RawMessage(`{"a":1}`)), created + `"tags":{"a":1},"preserve_history":true}`},
		{
			"a lock of the chat", lock(minigroup.Locks{Chat: true}),
			lockPath + `{"locked_types":{"message":true,"reaction":true}}`,
		},
		{
			"a lock of the questions", lock(minigroup.Locks{Questions: true}),
			lockPath + `{"locked_types":{"question":true,"question_reaction":true}}`,
		},
		{
			"a lock of both", lock(minigroup.Locks{Chat: true, Questions: true}),
			lockPath + `{"locked_types":{"message":true,"reaction":true,"question":true,"question_reaction":true}}`,
		},
		{
			"a close", func(c *event.Client, ctx context.Context) error { return c.CloseRoom(ctx, id) },
			"PATCH " + room + ` {"time":[0,1]}`,
		},
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
		{Do: sandbox.EffectRefuse, Type: "no_authn_config", Status: 401}:           clientstest.Refused,
		{Do: sandbox.EffectRefuse, Type: "database_connection_acquisition_failed"}: clientstest.NotDone,
		{Do: sandbox.EffectRefuse, Type: "database_query_failed"}:                  clientstest.MaybeDone,
		{Do: sandbox.EffectRefuse, Type: "broker_request_failed"}:                  clientstest.MaybeDone,
		{Do: sandbox.EffectRefuse, Type: "mqtt_client_not_connected"}:              clientstest.MaybeDone,
		{Do: sandbox.EffectRefuse, Type: "internal_nats_error", Status: 424}:       clientstest.MaybeDone,
	})
}

func TestUnknownRoom(t *testing.T) { service.TestUnknownRoom(t) }

func TestLockRoom(t *testing.T) {
	chat := map[string]bool{"message": true, "reaction": true}
	questions := map[string]bool{"question": true, "question_reaction": true}
	both := maps.Clone(chat)
	maps.Copy(both, questions)

	t.Run("locks what is requested, and a second call changes nothing", func(t *testing.T) {
		for locks, want := range map[minigroup.Locks]map[string]bool{
			{Chat: true}: chat, {Questions: true}: questions, {Chat: true, Questions: true}: both,
		} {
			s := service.Start(t)
			id := s.MakeRoom(s.At(-10), nil)
			for range 2 {
				if err := s.Client.LockRoom(s.Context(), id, locks); err != nil {
					t.Fatal(err)
				}
				if room := s.Room(id); !maps.Equal(room.LockedTypes, want) || !room.Open {
					t.Errorf("%s: %+v", locks, room)
				}
			}
		}
	})
	t.Run("keeps earlier locks", func(t *testing.T) {
		s := service.Start(t)
		id := s.MakeRoom(s.At(-10), nil)
		for _, locks := range []minigroup.Locks{{Chat: true}, {Questions: true}} {
			if err := s.Client.LockRoom(s.Context(), id, locks); err != nil {
				t.Fatal(err)
			}
		}
		if room := s.Room(id); !maps.Equal(room.LockedTypes, both) {
			t.Errorf("%+v", room)
		}
	})
}

func TestCloseRoom(t *testing.T) {
	for _, test := range []struct {
		name       string
		start, end int64 // seconds from now; 0 = unbounded
		keepsStart bool
	}{
		{name: "has not opened and has no end", start: 3600},
		{name: "has not opened and has an end", start: 3600, end: 7200},
		{name: "is open and has no end", start: -10, keepsStart: true},
		{name: "is open and has an end", start: -10, end: 3600, keepsStart: true},
		{name: "is closed", start: -20, end: -10, keepsStart: true},
	} {
		t.Run("a room that "+test.name, func(t *testing.T) {
			s := service.Start(t)
			start, end := s.At(test.start), s.At(test.end)
			if test.end == 0 {
				end = nil
			}
			id := s.MakeRoom(start, end)
			for range 2 {
				if err := s.Client.CloseRoom(s.Context(), id); err != nil {
					t.Fatal(err)
				}
				room := s.Room(id)
				if room.Open || test.keepsStart && *room.Time[0] != *start {
					t.Errorf("%+v", room)
				}
			}
		})
	}
}

func TestReplies(t *testing.T) { service.TestReplies(t) }

func TestCancelledCreate(t *testing.T) { service.TestCancelledCreate(t) }

func TestRoom(t *testing.T) {
	s := service.Start(t)
	request := s.NewRoom()
	request.Start = *s.At(-10)
	id, err := s.Client.CreateRoom(s.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	for _, locks := range []minigroup.Locks{{}, {Chat: true}, {Chat: true, Questions: true}} {
		if locks.Any() {
			if err := s.Client.LockRoom(s.Context(), id, locks); err != nil {
				t.Fatal(err)
			}
		}
		room, err := s.Client.Room(s.Context(), id)
		want := minigroup.EventRoomState{
			ID: id, ClassID: request.ClassID, Time: minigroup.Window{Start: &request.Start}, Locks: locks,
		}
		if err != nil || !room.Time.Equal(want.Time) || room.Locks != locks || room.ClassID != want.ClassID || room.ID != id {
			t.Errorf("got %+v, %v, want %+v", room, err, want)
		}
	}
	if err := s.Client.CloseRoom(s.Context(), id); err != nil {
		t.Fatal(err)
	}
	if room, err := s.Client.Room(s.Context(), id); err != nil || room.Time.End == nil {
		t.Errorf("got %+v, %v, want a closed room", room, err)
	}
}

// TestARoomIsLockedIfReactionsAreToo reads rooms that somebody else has locked in part.
func TestARoomIsLockedIfReactionsAreToo(t *testing.T) {
	id := clientstest.RoomID
	for locked, want := range map[string]minigroup.Locks{
		`{"message":true}`:                           {},
		`{"reaction":true}`:                          {},
		`{"message":true,"reaction":true}`:           {Chat: true},
		`{"question":true}`:                          {},
		`{"question_reaction":true}`:                 {},
		`{"question":true,"question_reaction":true}`: {Questions: true},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"id":"`+id.String()+`","time":[1,null],"locked_types":`+locked+`}`)
		}))
		defer server.Close()
		client := event.New(server.URL, http.DefaultTransport, func() (string, error) { return clientstest.RawToken, nil })
		if room, err := client.Room(t.Context(), id); err != nil || room.Locks != want {
			t.Errorf("%s: got %+v, %v", locked, room, err)
		}
	}
}
