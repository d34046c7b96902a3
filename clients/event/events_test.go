package event_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"

	"minigroups/clients/clientstest"
	"minigroups/clients/event"
	"minigroups/clients/rest"
	"minigroups/sandbox"
)

var message = json.RawMessage(`{"type":"message","data":{"t":1}}`)

// creates are the calls that create events in a room.
var creates = map[string]func(*event.Client, context.Context, uuid.UUID) error{
	"an event": func(c *event.Client, ctx context.Context, room uuid.UUID) error {
		return c.CreateEvent(ctx, room, message)
	},
	"a whiteboard": func(c *event.Client, ctx context.Context, room uuid.UUID) error {
		return c.CreateWhiteboard(ctx, room, uuid.New())
	},
}

func TestEventsInARoom(t *testing.T) {
	for name, call := range creates {
		t.Run(name+" is accepted in an open room", func(t *testing.T) {
			s := service.Start(t)
			if err := call(s.Client, s.Context(), s.MakeRoom(s.At(-10), nil)); err != nil {
				t.Error(err)
			}
		})
		for _, test := range []struct {
			name       string
			start, end int64
		}{{"is closed", -20, -10}, {"has not opened", 10, 20}} {
			t.Run(name+" is refused in a room that "+test.name, func(t *testing.T) {
				s := service.Start(t)
				failed := service.Failure(t, call(s.Client, s.Context(), s.MakeRoom(s.At(test.start), s.At(test.end))))
				if clientstest.Verdict(failed) != clientstest.Refused || failed.Type != "room_closed" {
					t.Errorf("%+v", failed)
				}
			})
		}
		for fault, want := range map[sandbox.Fault]string{
			{Do: sandbox.EffectRefuse}:                                clientstest.Refused,
			{Do: sandbox.EffectRefuse, Type: "payload_size_exceeded"}: clientstest.Refused,
			{Do: sandbox.EffectRefuse, Type: "invalid_event"}:         clientstest.Refused,
			{Do: sandbox.EffectRefuse, Type: "authorization_failed"}:  clientstest.NotDone,
			{Do: sandbox.EffectRefuse, Type: "database_query_failed"}: clientstest.MaybeDone,
			{Do: sandbox.EffectFail}:                                  clientstest.MaybeDone,
			{Do: sandbox.EffectLoseReply}:                             clientstest.MaybeDone,
		} {
			t.Run(name+" with "+string(fault.Do)+" "+fault.Type+" is "+want, func(t *testing.T) {
				s := service.Start(t)
				room := s.MakeRoom(s.At(-10), nil)
				fault.Operation = sandbox.OperationAny
				s.SetFaults(fault)
				if failed := service.Failure(t, call(s.Client, s.Context(), room)); clientstest.Verdict(failed) != want {
					t.Errorf("%+v", failed)
				}
			})
		}
	}
	t.Run("an event without data is refused", func(t *testing.T) {
		s := service.Start(t)
		room := s.MakeRoom(s.At(-10), nil)
		failed := service.Failure(t, s.Client.CreateEvent(s.Context(), room, json.RawMessage(`{"type":"message"}`)))
		if clientstest.Verdict(failed) != clientstest.Refused || failed.Status != 422 {
			t.Errorf("%+v", failed)
		}
	})
}

// TestEventRequests compares the requests with the sets and labels by which frontends find a whiteboard.
func TestEventRequests(t *testing.T) {
	class := uuid.MustParse("99999999-2222-3333-4444-555555555555")
	var sent []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		sent = append(sent, r.Method+" "+r.URL.Path+" "+string(body))
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"room_id":"`+clientstest.RoomID.String()+`"}`)
	}))
	defer server.Close()
	transport := rest.NewTransport()
	defer transport.CloseIdleConnections()
	client := event.New(server.URL, transport, func() (string, error) { return "token", nil })

	const document = "712d388c-9662-5d96-96c1-6fdfc7a7fd0e"
	path := "POST /api/v1/rooms/" + clientstest.RoomID.String() + "/events "
	board := []string{
		path + `{"type":"document","set":"document","label":"` + document + `",` +
			`"data":{"title":"whiteboard","page":1,"published":true,"url":"about:whiteboard"}}`,
		path + `{"type":"document_page","set":"document_page_` + document + `",` +
			`"label":"document_page_` + document + `_1","data":{"page":1,"title":""}}`,
	}
	createEvent := func() error { return client.CreateEvent(t.Context(), clientstest.RoomID, message) }
	createBoard := func() error { return client.CreateWhiteboard(t.Context(), clientstest.RoomID, class) }
	for name, test := range map[string]struct {
		call func() error
		want []string
	}{
		"an event is sent unchanged":              {createEvent, []string{path + string(message)}},
		"a whiteboard":                            {createBoard, board},
		"a second whiteboard has the same labels": {createBoard, board},
	} {
		sent = nil
		if err := test.call(); err != nil {
			t.Error(err)
		}
		if strings.Join(sent, "\n") != strings.Join(test.want, "\n") {
			t.Errorf("%s: sent\n%s", name, strings.Join(sent, "\n"))
		}
	}
	if err := client.CreateEvent(t.Context(), uuid.New(), message); err == nil {
		t.Error("a reply about another room was accepted")
	}
}
