package jwks_test

import (
	"context"
	"testing"
	"time"

	"minigroups/clients/clientstest"
	"minigroups/clients/jwks"
)

// FuzzReplies sends arbitrary bytes as the key set, some of them without end. Lookup must end before its context does
// and return no nil key.
func FuzzReplies(f *testing.F) {
	for _, reply := range append(clientstest.RawReplies,
		"HTTP/1.1 200 OK\r\n\r\n"+
			`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
		"HTTP/1.1 200 OK\r\n\r\n"+
			`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"RSA","n":"","e":"AA"},{"kty":"oct","k":"AA"}]}`,
		"HTTP/1.1 200 OK\r\n\r\n"+
			`{"keys":["k",null,7,{},{"kty":"RSA","n":"AQ","e":"AQAB","kid":1},{"kty":"RSA","n":"AQ","e":"AQAB"}]}`,
	) {
		f.Add([]byte(reply), false)
		f.Add([]byte(reply), true)
	}
	f.Fuzz(func(t *testing.T, reply []byte, endless bool) {
		transport := clientstest.NewRawTransport(reply, endless)
		defer transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		set, err := jwks.New(ctx, jwks.Options{
			URL: "http://issuer/keys", Transport: transport, Check: accept, OnFetched: func(jwks.Fetch) {},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, kid := range []string{"", "a"} {
			keys, err := set.Lookup(ctx, kid, "EdDSA")
			if ctx.Err() != nil {
				t.Errorf("the lookup did not end before its context: %v", err)
			}
			for _, key := range keys {
				if key == nil {
					t.Error("a key is nil")
				}
			}
		}
	})
}
