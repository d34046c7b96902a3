package clientstest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"minigroups/clients/rest"
	"minigroups/sandbox"
)

// RoomID is the room that the operations concern.
var RoomID = uuid.MustParse("11111111-2222-3333-4444-555555555555")

// Request returns the request that a call sends: method, path and body, separated by spaces. The reply is empty; if the
// call accepts it, the test fails.
func (s Service[C, N]) Request(t *testing.T, call func(C, context.Context) error) (request string) {
	t.Helper()
	client := s.servedBy(t, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		request = r.Method + " " + r.URL.Path + " " + string(body)
	})
	if err := call(client, bounded(t, callLimit)); err == nil {
		t.Error("an empty reply was accepted")
	}
	return request
}

// Reply is the body of a reply with status 200, and the verdicts on a create and on a change of RoomID that receive it.
type Reply struct{ Name, Body, Create, Change string }

// TestReplies checks the verdict on every operation that receives one of these replies. It covers the replies of both
// services and own, those of this service only.
func (s Service[C, N]) TestReplies(t *testing.T, own ...Reply) {
	for _, reply := range slices.Concat(s.replies(), own) {
		t.Run(reply.Name, func(t *testing.T) {
			client := s.servedBy(t, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, reply.Body)
			})
			ctx := bounded(t, callLimit)
			for _, operation := range s.operations() {
				want := operation.verdict(reply.Change)
				if operation.Name == sandbox.OperationCreate {
					want = reply.Create
				}
				failed := s.Failure(t, operation.Call(client, ctx, RoomID))
				if Verdict(failed) != want || failed != nil && failed.Status != 200 {
					t.Errorf("%s: %+v", operation.Name, failed)
				}
			}
		})
	}
}

func (s Service[C, N]) replies() []Reply {
	room := func(id string) string { return `{"id":"` + id + `",` + s.RoomFields + `}` }
	tooLarge := `{"id":"` + RoomID.String() + `",` + s.RoomFields + `,"tags":"` + strings.Repeat("x", 2<<20) + `"}`
	replies := []Reply{
		{Name: "another room", Body: room(uuid.NewString()), Create: Done, Change: MaybeDone},
		{Name: "the room", Body: room(RoomID.String()), Create: Done, Change: Done},
	}
	for name, body := range map[string]string{
		"HTML":                 "<html>welcome</html>",
		"an incomplete object": `{"id":"0c3d`,
		"no id":                `{` + s.RoomFields + `}`,
		"an invalid id":        room("0c3d"),
		"the nil id":           room(uuid.Nil.String()),
		"null":                 `null`,
		"a body above 2 MiB":   tooLarge,
	} {
		replies = append(replies, Reply{Name: name, Body: body, Create: MaybeDone, Change: MaybeDone})
	}
	return replies
}

// servedBy returns a client of a service in which handler serves every request.
func (s Service[C, N]) servedBy(t *testing.T, handler http.HandlerFunc) C {
	t.Helper()
	server := httptest.NewServer(handler)
	transport := rest.NewTransport()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return s.NewClient(server.URL, transport, func() (string, error) { return "token", nil })
}
