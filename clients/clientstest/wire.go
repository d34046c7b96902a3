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

// RoomID is the room that operations and odd replies are about.
var RoomID = uuid.MustParse("11111111-2222-3333-4444-555555555555")

// Sent returns the request that a call sends: method, path and body, with a space between. The reply is empty, which no
// call may take.
func (s Service[C, N]) Sent(t *testing.T, call func(C, context.Context) error) (request string) {
	t.Helper()
	client := s.answeredBy(t, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		request = r.Method + " " + r.URL.Path + " " + string(body)
	})
	if err := call(client, bounded(t, callLimit)); err == nil {
		t.Error("an empty reply was taken")
	}
	return request
}

// OddReply is what a service answers with 200, and the verdicts on a create and on a change of RoomID that get it.
type OddReply struct{ Name, Text, Create, Change string }

// TestOddReplies tests what all operations make of replies that are odd in any service, and of those in this one alone.
func (s Service[C, N]) TestOddReplies(t *testing.T, own ...OddReply) {
	for _, reply := range slices.Concat(s.oddReplies(), own) {
		t.Run(reply.Name, func(t *testing.T) {
			client := s.answeredBy(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, reply.Text) })
			ctx := bounded(t, callLimit)
			for _, operation := range s.operations() {
				want := operation.expect(reply.Change)
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

func (s Service[C, N]) oddReplies() []OddReply {
	about := func(id string) string { return `{"id":"` + id + `",` + s.Fields + `}` }
	return []OddReply{
		{"a page", "<html>welcome</html>", maybeDone, maybeDone},
		{"half an object", `{"id":"0c3d`, maybeDone, maybeDone},
		{"no id", `{` + s.Fields + `}`, maybeDone, maybeDone},
		{"an id that is none", about("0c3d"), maybeDone, maybeDone},
		{"the empty id", about(uuid.Nil.String()), maybeDone, maybeDone},
		{"null", `null`, maybeDone, maybeDone},
		{"too much", `{"id":"` + RoomID.String() + `",` + s.Fields + `,"tags":"` + strings.Repeat("x", 2<<20) + `"}`, maybeDone, maybeDone},
		{"another room", about(uuid.NewString()), done, maybeDone},
		{"the room", about(RoomID.String()), done, done},
	}
}

// answeredBy is a client of a service that answers everything like this.
func (s Service[C, N]) answeredBy(t *testing.T, answer http.HandlerFunc) C {
	t.Helper()
	server := httptest.NewServer(answer)
	transport := rest.NewTransport()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return s.NewClient(server.URL, transport, func() (string, error) { return "token", nil })
}
