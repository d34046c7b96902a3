package authz_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"minigroups/clients/authz"
	"minigroups/clients/rest"
)

const token = "t0ken.of.service"

// newClient returns a client of an authorization service that handler serves.
func newClient(t *testing.T, handler http.HandlerFunc) authz.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	transport := rest.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	return authz.Client{
		URI: server.URL + "/authz", Namespace: "minigroups.svc.example.org", Transport: transport,
		Token: func() (string, error) { return token, nil },
	}
}

func mayCreate(ctx context.Context, c authz.Client) (bool, error) {
	return c.Allows(ctx, "alice", "example.org", []string{"classrooms"}, "create")
}

func TestRequest(t *testing.T) {
	var received *http.Request
	var body string
	client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		received, body = r, string(text)
		fmt.Fprint(w, `["create"]`)
	})
	if allowed, err := mayCreate(t.Context(), client); !allowed || err != nil {
		t.Fatalf("got %v, %v", allowed, err)
	}
	if received.Method != http.MethodPost || received.RequestURI != "/authz" {
		t.Errorf("got %s %s", received.Method, received.RequestURI)
	}
	for name, want := range map[string]string{
		"Accept": "*/*", "Content-Type": "application/json", "Authorization": "Bearer " + token,
	} {
		if got := received.Header[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	want := `{"subject":{"namespace":"example.org","value":"alice"},` +
		`"object":{"namespace":"minigroups.svc.example.org","value":["classrooms"]},"action":"create"}`
	if body != want {
		t.Errorf("the body is  %s\nit should be %s", body, want)
	}
}

func TestReply(t *testing.T) {
	const allowed, denied, invalid = "allowed", "denied", "an error"
	for _, c := range []struct {
		name, want string
		handler    http.HandlerFunc
	}{
		{"200 with the action", allowed, reply(200, `["create","read","update"]`)},
		{"200 with the action last, and spaces", allowed, reply(200, " [ \"read\" ,\n\"create\" ] ")},
		{"201 with the action", allowed, reply(201, `["create"]`)},
		{"500 with the action", invalid, reply(500, `["create"]`)},
		{"500 with an empty array", invalid, reply(500, `[]`)},
		{"401 with the action", invalid, reply(401, `["create"]`)},
		{"401 with an empty array", invalid, reply(401, `[]`)},
		{"403 with the action", invalid, reply(403, `["create"]`)},
		{"404 with the action", invalid, reply(404, `["create"]`)},
		{"304 without a body", invalid, reply(304, ``)},
		{"204 without a body", invalid, reply(204, ``)},
		{"an empty array", denied, reply(200, `[]`)},
		{"another action", denied, reply(200, `["delete"]`)},
		{"actions that differ in case, spaces or ending", denied, reply(200, `["created","CREATE"," create"]`)},
		{"403 with an empty array", denied, reply(403, `[]`)},
		{"an object", invalid, reply(200, `{"a":1}`)},
		{"text that is not JSON", invalid, reply(200, `allowed`)},
		{"an empty body", invalid, reply(200, ``)},
		{"null", invalid, reply(200, `null`)},
		{"a null beside the action", invalid, reply(200, `["create",null]`)},
		{"a number beside the action", invalid, reply(200, `["create",1]`)},
		{"a string", invalid, reply(200, `"create"`)},
		{"an array in an array", invalid, reply(200, `[["create"]]`)},
		{"two arrays", invalid, reply(200, `["create"]["create"]`)},
		{"an incomplete array", invalid, reply(200, `["create"`)},
		{"far too many actions", invalid, reply(200, `["create"`+strings.Repeat(`,"x"`, 20_000)+`]`)},
		{"the action, and too many spaces", invalid, reply(200, `["create"]`+strings.Repeat(" ", 100_000))},
		{"a redirect", invalid, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/authz" {
				http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
				return
			}
			fmt.Fprint(w, `["create"]`)
		}},
		{"a connection that breaks", invalid, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{"a body that is cut short", invalid, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `["create"]`)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := map[bool]string{true: allowed, false: denied}
			yes, err := mayCreate(t.Context(), newClient(t, c.handler))
			if answer := got[yes]; err == nil && answer != c.want || err != nil && (c.want != invalid || yes) {
				t.Errorf("got %v, %v; want %s", yes, err, c.want)
			}
		})
	}
}

// TestAConnectionThatTheServiceHasClosed covers services that close an idle connection while a request is sent on it.
func TestAConnectionThatTheServiceHasClosed(t *testing.T) {
	var requests atomic.Int32
	client := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) == 2 {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, `["create"]`)
	})
	for range 2 {
		if allowed, err := mayCreate(t.Context(), client); !allowed || err != nil {
			t.Errorf("got %v, %v", allowed, err)
		}
	}
	if n := requests.Load(); n != 3 {
		t.Errorf("the service received %d requests", n)
	}
}

func reply(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func TestMissingReply(t *testing.T) {
	t.Run("ends with the context while the request waits", func(t *testing.T) {
		received, release := make(chan struct{}), make(chan struct{})
		client := newClient(t, func(http.ResponseWriter, *http.Request) { close(received); <-release })
		t.Cleanup(func() { close(release) }) // before server.Close, which waits for the handler
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-received; cancel() }()
		if allowed, err := mayCreate(ctx, client); allowed || err == nil {
			t.Errorf("got %v, %v", allowed, err)
		}
	})
	t.Run("ends with the context while the body waits", func(t *testing.T) {
		received, release := make(chan struct{}), make(chan struct{})
		client := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `["create"`)
			w.(http.Flusher).Flush()
			close(received)
			<-release
		})
		t.Cleanup(func() { close(release) })
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-received; cancel() }()
		if allowed, err := mayCreate(ctx, client); allowed || err == nil {
			t.Errorf("got %v, %v", allowed, err)
		}
	})
	t.Run("fails if nothing listens, or the token fails", func(t *testing.T) {
		client := newClient(t, reply(200, `["create"]`))
		client.Token = func() (string, error) { return "", errors.New("no key") }
		if allowed, err := mayCreate(t.Context(), client); allowed || err == nil {
			t.Errorf("got %v, %v", allowed, err)
		}
		client = newClient(t, reply(200, `["create"]`))
		client.URI = "http://127.0.0.1:1/"
		if allowed, err := mayCreate(t.Context(), client); allowed || err == nil {
			t.Errorf("got %v, %v", allowed, err)
		}
	})
}

func TestErrorsDoNotContainTheToken(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"in the body": func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "[%q", r.Header.Get("Authorization")) },
		"instead of a status line": func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				fmt.Fprintf(conn, "%s\r\n\r\n", r.Header.Get("Authorization"))
				_ = conn.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mayCreate(t.Context(), newClient(t, handler))
			if err == nil || strings.Contains(err.Error(), token) {
				t.Errorf("got %v", err)
			}
		})
	}
}
