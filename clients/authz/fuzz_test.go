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

// FuzzReplies sends arbitrary bytes as the reply, some of them without end. The call must end before its context does,
// its error must not contain the token, and it must not allow an action that the reply does not contain.
func FuzzReplies(f *testing.F) {
	for _, reply := range append(clientstest.RawReplies,
		"HTTP/1.1 500 No\r\n\r\n[\"update\"]",
		"HTTP/1.1 200 OK\r\n\r\n[null,\"update\"]",
		"HTTP/1.1 200 OK\r\n\r\n{\"a\":\"update\"}",
	) {
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
			t.Errorf("the call did not end before its context: %v", err)
		}
		// An escaped or chunked reply may contain the word in pieces.
		mayAllow := bytes.Contains(reply, []byte("update")) || bytes.Contains(reply, []byte(`\`)) ||
			bytes.Contains(reply, []byte("chunked"))
		if allowed && !mayAllow {
			t.Error("a reply without the action allowed it")
		}
		if err != nil && (allowed || strings.Contains(err.Error(), clientstest.RawToken) || len(err.Error()) > 4<<10) {
			t.Errorf("allowed: %v, %.1000v", allowed, err)
		}
	})
}
