package rest_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"minigroups/clients/clientstest"
	"minigroups/clients/rest"
)

// FuzzReplies sends arbitrary bytes as the reply, some of them without end. The call must end before its context does,
// and its error must not contain a secret.
func FuzzReplies(f *testing.F) {
	for _, reply := range clientstest.RawReplies {
		f.Add([]byte(reply), false)
		f.Add([]byte(reply), true)
	}
	f.Fuzz(func(t *testing.T, reply []byte, endless bool) {
		transport := clientstest.NewRawTransport(reply, endless)
		defer transport.CloseIdleConnections()
		c := newClient(t, "http://shop")
		c.Transport, c.Token = transport, func() (string, error) { return clientstest.RawToken, nil }
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		failed := do(ctx, t, c, rest.Call{
			Doing: "buy", Method: http.MethodPost, Body: body{"apple"}, Reply: &body{}, ReplyLimit: 64 << 10,
		})
		clientstest.CheckError(ctx, t, failed, clientstest.RawToken, "pass<word>")
	})
}
