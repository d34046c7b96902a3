package authz_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"minigroups/clients/authz"
	"minigroups/clients/clientstest"
)

// FuzzReplies: whatever a tenant sends, and however much of it, a question ends by itself, its error tells no secret, and
// nobody may do anything whose name the reply does not hold.
func FuzzReplies(f *testing.F) {
	for _, reply := range append(clientstest.RawReplies, "HTTP/1.1 500 No\r\n\r\n[\"update\"]", "HTTP/1.1 200 OK\r\n\r\n[null,\"update\"]", "HTTP/1.1 200 OK\r\n\r\n{\"a\":\"update\"}") {
		f.Add([]byte(reply), false)
		f.Add([]byte(reply), true)
	}
	f.Fuzz(func(t *testing.T, reply []byte, endless bool) {
		transport := clientstest.NewRawTransport(reply, endless)
		defer transport.CloseIdleConnections()
		c := authz.Client{
			URI: "http://tenant", Namespace: "minigroups.svc.example.org", Transport: transport,
			Token: func() (string, error) { return clientstest.RawToken, nil },
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		allowed, err := c.Allows(ctx, "teacher", "example.org", []string{"classrooms"}, "update")
		if ctx.Err() != nil {
			t.Errorf("the question went on until its limit: %v", err)
		}
		if escapes := bytes.Contains(reply, []byte(`\`)); allowed && !escapes && !bytes.Contains(reply, []byte("update")) && !bytes.Contains(reply, []byte("chunked")) {
			t.Error("it was allowed by a reply that does not say so")
		}
		if err != nil && (allowed || strings.Contains(err.Error(), clientstest.RawToken) || len(err.Error()) > 4<<10) {
			t.Errorf("allowed: %v, %.1000v", allowed, err)
		}
	})
}
