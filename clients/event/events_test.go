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

// inRoom are the calls that make events in a room.
var inRoom = map[string]func(*event.Client, context.Context, uuid.UUID) error{
	"an event": func(c *event.Client, ctx context.Context, room uuid.UUID) error {
		return c.CreateEvent(ctx, room, message)
	},
	"a whiteboard": func(c *event.Client, ctx context.Context, room uuid.UUID) error {
		return c.CreateWhiteboard(ctx, room, uuid.New())
	},
}

func TestEventsInARoom(t *testing.T) {
	for name, call := range inRoom {
		t.Run(name+" is taken in a room that is open", func(t *testing.T) {
			s := service.Start(t)
			if err := call(s.Client, s.Context(), s.Make(s.At(-10), nil)); err != nil {
				t.Error(err)
			}
		})
		for _, test := range []struct {
			name       string
			start, end int64
		}{{"is closed", -20, -10}, {"has not opened", 10, 20}} {
			t.Run(name+" is refused in a room that "+test.name, func(t *testing.T) {
				s := service.Start(t)
				failed := service.Failure(t, call(s.Client, s.Context(), s.Make(s.At(test.start), s.At(test.end))))
				if clientstest.Verdict(failed) != "refused" || failed.Type != "room_closed" {
					t.Errorf("%+v", failed)
				}
			})
		}
		for fault, want := range map[sandbox.Fault]string{
			{Do: sandbox.EffectRefuse}:                                "refused",
			{Do: sandbox.EffectRefuse, Type: "payload_size_exceeded"}: "refused",
			{Do: sandbox.EffectRefuse, Type: "invalid_event"}:         "refused",
			{Do: sandbox.EffectRefuse, Type: "authorization_failed"}:  "not done",
			{Do: sandbox.EffectRefuse, Type: "database_query_failed"}: "maybe done",
			{Do: sandbox.EffectFail}:                                  "maybe done",
			{Do: sandbox.EffectLoseReply}:                             "maybe done",
		} {
			t.Run(name+" with "+string(fault.Do)+" "+fault.Type+" is "+want, func(t *testing.T) {
				s := service.Start(t)
				room := s.Make(s.At(-10), nil)
				fault.Operation = sandbox.OperationAny
				s.SetFaults(fault)
				if failed := service.Failure(t, call(s.Client, s.Context(), room)); clientstest.Verdict(failed) != want {
					t.Errorf("%+v", failed)
				}
			})
		}
	}
	t.Run("one without data is refused", func(t *testing.T) {
		s := service.Start(t)
		failed := service.Failure(t, s.Client.CreateEvent(s.Context(), s.Make(s.At(-10), nil), json.RawMessage(`{"type":"message"}`)))
		if clientstest.Verdict(failed) != "refused" || failed.Status != 422 {
			t.Errorf("%+v", failed)
		}
	})
}

// TestWhatIsMadeInARoom holds what is sent against what frontends know: a whiteboard is found by its words.
func TestWhatIsMadeInARoom(t *testing.T) {
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
		path + `{"type":"document","set":"document","label":"` + document + `","data":{"title":"whiteboard","page":1,"published":true,"url":"about:whiteboard"}}`,
		path + `{"type":"document_page","set":"document_page_` + document + `","label":"document_page_` + document + `_1","data":{"page":1,"title":""}}`,
	}
	for name, test := range map[string]struct {
		call func() error
		want []string
	}{
		"an event as it is":                {func() error { return client.CreateEvent(t.Context(), clientstest.RoomID, message) }, []string{path + string(message)}},
		"a whiteboard":                     {func() error { return client.CreateWhiteboard(t.Context(), clientstest.RoomID, class) }, board},
		"and the same one when made again": {func() error { return client.CreateWhiteboard(t.Context(), clientstest.RoomID, class) }, board},
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
		t.Error("an answer about another room was taken")
	}
}
