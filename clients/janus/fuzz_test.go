package janus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"minigroups/clients/clientstest"
	"minigroups/clients/janus"
	"minigroups/minigroup"
)

// FuzzReplies sends arbitrary bytes as the reply. Each call must end before its context does, and its error must pass
// CheckError. Endless replies are fuzzed in package rest: here the limit of 64 MiB would make each of them slow.
func FuzzReplies(f *testing.F) {
	for _, reply := range clientstest.RawReplies {
		f.Add([]byte(reply))
	}
	for _, text := range []string{
		`{"janus":"error","error":{"code":403,"reason":"admin-secret \u0000"}}`,
		`{"janus":"success","response":{"videoroom":"event","error_code":427,"error":"admin-key"}}`,
		`{"janus":"success","transaction":null,` +
			`"response":{"videoroom":"success","list":[{"room":1},{"room":"x","max_publishers":1e9}]}}`,
	} {
		f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n" + text))
	}
	f.Fuzz(func(t *testing.T, reply []byte) {
		transport := clientstest.NewRawTransport(reply, false)
		defer transport.CloseIdleConnections()
		client, backend := janus.New(config, transport), minigroup.Backend{ID: "g", AdminURL: "http://gateway/admin"}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, listErr := client.Rooms(ctx, backend, "minigroup:")
		for _, err := range []error{
			client.Reserve(ctx, backend, clientstest.RoomID, 8, description),
			client.Release(ctx, backend, clientstest.RoomID),
			listErr,
		} {
			var failed *minigroup.UpstreamError
			if err != nil && !errors.As(err, &failed) {
				t.Fatalf("a %T: %v", err, err)
			}
			clientstest.CheckError(ctx, t, failed, config.AdminSecret, config.AdminKey)
		}
	})
}
