package jwks_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"minigroups/clients/jwks"
	"minigroups/clients/rest"
)

// issuer is a server of a key set whose handler can be replaced. It counts the requests and the failed fetches.
type issuer struct {
	url string

	mu      sync.Mutex
	handler http.HandlerFunc
	fetched int
	failed  []error
	changes int
	last    jwks.Fetch
}

func newIssuer(t *testing.T, handler http.HandlerFunc) *issuer {
	t.Helper()
	i := &issuer{handler: handler}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.fetched++
		handler := i.handler
		i.mu.Unlock()
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

func (i *issuer) serve(handler http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.handler = handler
}

func (i *issuer) counts() (fetched, failed int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetched, len(i.failed)
}

func (i *issuer) set(t *testing.T) *jwks.Set {
	t.Helper()
	transport := rest.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	set, err := jwks.New(t.Context(), jwks.Options{
		URL: i.url, Transport: transport, Check: accept,
		OnFetched: func(f jwks.Fetch) {
			i.mu.Lock()
			defer i.mu.Unlock()
			i.last = f
			if f.Changed {
				i.changes++
			}
			if f.Err != nil {
				i.failed = append(i.failed, f.Err)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// accept accepts all keys but RSA keys of less than 2048 bits.
func accept(key any, _ string) error {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < 2048 || key.E%2 == 0 {
			return errors.New("too short, or its exponent is even")
		}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return errors.New("another curve")
		}
	}
	return nil
}

// keySet returns a handler that serves these keys, each made by jwk.
func keySet(t *testing.T, keys ...any) http.HandlerFunc {
	t.Helper()
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) }
}

// jwk returns the members of a public key: those of key, its id unless that is empty, and further ones as pairs of name
// and value.
func jwk(t *testing.T, key any, kid string, more ...any) map[string]any {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString
	var members map[string]any
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		size := len(point) / 2
		members = map[string]any{
			"kty": "EC", "crv": key.Params().Name, "x": text(point[1 : 1+size]), "y": text(point[1+size:]),
		}
	case *rsa.PublicKey:
		exponent := big.NewInt(int64(key.E)).Bytes()
		members = map[string]any{"kty": "RSA", "n": text(key.N.Bytes()), "e": text(exponent)}
	case ed25519.PublicKey:
		members = map[string]any{"kty": "OKP", "crv": "Ed25519", "x": text(key)}
	default:
		t.Fatalf("unknown key %T", key)
	}
	if kid != "" {
		members["kid"] = kid
	}
	for i := 0; i < len(more); i += 2 {
		members[more[i].(string)] = more[i+1]
	}
	return members
}

func newKey(t *testing.T) *ecdsa.PublicKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &key.PublicKey
}

func fail(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "bad gateway", http.StatusBadGateway)
}

func TestLookup(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edKey, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec := newKey(t)
	set := newIssuer(t, keySet(t,
		jwk(t, ec, "ec", "alg", "ES256", "use", "sig"),
		jwk(t, &rsaKey.PublicKey, "rsa", "alg", "RS256"),
		jwk(t, edKey, "ed", "alg", "EdDSA"),
		jwk(t, newKey(t), "encrypts", "use", "enc"),
		map[string]any{"kty": "future", "kid": "future"},
	)).set(t)
	for _, c := range []struct {
		kid, algorithm string
		want           interface{ Equal(crypto.PublicKey) bool }
	}{
		{"ec", "ES256", ec},
		{"rsa", "RS256", &rsaKey.PublicKey},
		{"ed", "EdDSA", edKey},
		{"", "ES256", ec},
		{"ec", "RS256", nil},
		{"encrypts", "ES256", nil},
		{"future", "ES256", nil},
		{"unknown", "ES256", nil},
	} {
		got, err := set.Lookup(t.Context(), c.kid, c.algorithm)
		if none := len(got) == 0; err != nil || none != (c.want == nil) || !none && (len(got) != 1 || !c.want.Equal(got[0])) {
			t.Errorf("%q for %s: %v, %v", c.kid, c.algorithm, got, err)
		}
	}
}

func TestFiftyLookupsOfANewKeyFetchOnceAndUnknownKeysDoNotFetchAgain(t *testing.T) {
	first, second := newKey(t), newKey(t)
	i := newIssuer(t, keySet(t, jwk(t, first, "first")))
	set := i.set(t)
	i.serve(keySet(t, jwk(t, second, "second")))
	results := make(chan error, 50)
	for range cap(results) {
		go func() {
			keys, err := set.Lookup(t.Context(), "second", "ES256")
			if err == nil && len(keys) != 1 {
				err = fmt.Errorf("got %v", keys)
			}
			results <- err
		}()
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if keys, err := set.Lookup(t.Context(), "first", "ES256"); len(keys) > 0 || err != nil {
		t.Errorf("a withdrawn key: %v, %v", keys, err)
	}
	for n := range 100 {
		if keys, err := set.Lookup(t.Context(), fmt.Sprint("made up ", n), "ES256"); len(keys) > 0 || err != nil {
			t.Errorf("got %v, %v", keys, err)
		}
	}
	if fetched, _ := i.counts(); fetched != 2 {
		t.Errorf("fetched %d times", fetched)
	}
}

func TestAFailedFirstFetchIsReportedAndTheNextLookupFetches(t *testing.T) {
	i := newIssuer(t, fail)
	set := i.set(t)
	if _, failed := i.counts(); failed != 1 {
		t.Errorf("%d failures were reported", failed)
	}
	key := newKey(t)
	i.serve(keySet(t, jwk(t, key, "k")))
	if keys, err := set.Lookup(t.Context(), "k", "ES256"); len(keys) != 1 || err != nil {
		t.Errorf("got %v, %v", keys, err)
	}
	if keys, err := set.Lookup(t.Context(), "unknown", "ES256"); len(keys) > 0 || err != nil {
		t.Errorf("got %v, %v", keys, err)
	}
}

func TestKeysStayWhileTheIssuerFails(t *testing.T) {
	i := newIssuer(t, keySet(t, jwk(t, newKey(t), "k")))
	set := i.set(t)
	i.serve(fail)
	for range 3 {
		if keys, err := set.Lookup(t.Context(), "new", "ES256"); err == nil {
			t.Errorf("an unknown key while the issuer fails: no error, got %v", keys)
		}
	}
	if keys, err := set.Lookup(t.Context(), "k", "ES256"); len(keys) != 1 || err != nil {
		t.Errorf("got %v, %v", keys, err)
	}
	if fetched, failed := i.counts(); fetched != 2 || failed != 1 {
		t.Errorf("fetched %d times, %d failures were reported", fetched, failed)
	}
}

func TestInvalidKeySets(t *testing.T) {
	good := jwk(t, newKey(t), "k")
	padded := jwk(t, newKey(t), "k", "x-padding", strings.Repeat("x", 300<<10))
	for name, handler := range map[string]http.HandlerFunc{
		"not JSON":      func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"far too large": keySet(t, padded),
		"another status": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			keySet(t, good)(w, r)
		},
		"a broken key":    keySet(t, map[string]any{"kty": "EC", "crv": "P-256", "kid": "k", "x": "AA", "y": "!"}),
		"no keys":         keySet(t),
		"no list of keys": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":{}}`) },
		"null":            func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `null`) },
		"a list of keys under a name in capitals": func(w http.ResponseWriter, _ *http.Request) {
			text, _ := json.Marshal(map[string]any{"KEYS": []any{good}})
			_, _ = w.Write(text)
		},
		"a server error with valid keys": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			keySet(t, good)(w, r)
		},
		"a broken connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				keySet(t, good)(w, r)
				return
			}
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if keys, err := newIssuer(t, handler).set(t).Lookup(t.Context(), "k", "ES256"); err == nil {
				t.Errorf("got %v", keys)
			}
		})
	}
	t.Run("an invalid URL", func(t *testing.T) {
		if _, err := jwks.New(t.Context(), jwks.Options{URL: "::", Transport: http.DefaultTransport}); err == nil {
			t.Error("no error")
		}
	})
}

func TestACancelledLookupDoesNotCancelTheFetch(t *testing.T) {
	i := newIssuer(t, keySet(t))
	set := i.set(t)
	received, release := make(chan struct{}), make(chan struct{})
	i.serve(func(w http.ResponseWriter, r *http.Request) {
		close(received)
		<-release
		keySet(t, jwk(t, newKey(t), "k"))(w, r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan error, 1)
	go func() { _, err := set.Lookup(ctx, "k", "ES256"); cancelled <- err }()
	<-received
	cancel()
	if err := <-cancelled; err == nil {
		t.Error("no error")
	}
	close(release)
	if keys, err := set.Lookup(t.Context(), "k", "ES256"); len(keys) != 1 || err != nil {
		t.Errorf("got %v, %v", keys, err)
	}
}
