package authz_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"minigroups/clients/authz"
	"minigroups/clients/rest"
)

const token = "t0ken.of.ours"

// tenant is an authorization service that answers as handler does, and a client that asks it.
func tenant(t *testing.T, handler http.HandlerFunc) authz.Client {
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

func ask(ctx context.Context, c authz.Client) (bool, error) {
	return c.Allows(ctx, "alice", "example.org", []string{"classrooms"}, "create")
}

func TestTheQuestion(t *testing.T) {
	var asked *http.Request
	var body string
	client := tenant(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		asked, body = r, string(text)
		fmt.Fprint(w, `["create"]`)
	})
	if allowed, err := ask(t.Context(), client); !allowed || err != nil {
		t.Fatalf("got %v, %v", allowed, err)
	}
	if asked.Method != http.MethodPost || asked.RequestURI != "/authz" {
		t.Errorf("got %s %s", asked.Method, asked.RequestURI)
	}
	for name, want := range map[string]string{"Accept": "*/*", "Content-Type": "application/json", "Authorization": "Bearer " + token} {
		if got := asked.Header[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	want := `{"subject":{"namespace":"example.org","value":"alice"},"object":{"namespace":"minigroups.svc.example.org","value":["classrooms"]},"action":"create"}`
	if body != want {
		t.Errorf("the body is  %s\nit should be %s", body, want)
	}
}

func TestTheReply(t *testing.T) {
	const allowed, denied, none = "allowed", "denied", "no answer"
	for _, c := range []struct {
		name, want string
		handler    http.HandlerFunc
	}{
		{"200 with the action", allowed, says(200, `["create","read","update"]`)},
		{"200 with the action last, and spaces", allowed, says(200, " [ \"read\" ,\n\"create\" ] ")},
		{"500 with the action", allowed, says(500, `["create"]`)},
		{"401 with the action", allowed, says(401, `["create"]`)},
		{"an empty array", denied, says(200, `[]`)},
		{"another action", denied, says(200, `["delete"]`)},
		{"another action that begins alike", denied, says(200, `["created","CREATE"," create"]`)},
		{"403 with an empty array", denied, says(403, `[]`)},
		{"an object", none, says(200, `{"a":1}`)},
		{"no JSON", none, says(200, `allowed`)},
		{"nothing", none, says(200, ``)},
		{"null", none, says(200, `null`)},
		{"a null beside the action", none, says(200, `["create",null]`)},
		{"a number beside the action", none, says(200, `["create",1]`)},
		{"a text", none, says(200, `"create"`)},
		{"an array in an array", none, says(200, `[["create"]]`)},
		{"two arrays", none, says(200, `["create"]["create"]`)},
		{"half an array", none, says(200, `["create"`)},
		{"far too many actions", none, says(200, `["create"`+strings.Repeat(`,"x"`, 20_000)+`]`)},
		{"the action, and spaces without end", none, says(200, `["create"]`+strings.Repeat(" ", 100_000))},
		{"a redirect", none, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/authz" {
				http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
				return
			}
			fmt.Fprint(w, `["create"]`)
		}},
		{"a connection that breaks", none, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{"a body that breaks off", none, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `["create"]`)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := map[bool]string{true: allowed, false: denied}
			yes, err := ask(t.Context(), tenant(t, c.handler))
			if answer := got[yes]; err == nil && answer != c.want || err != nil && (c.want != none || yes) {
				t.Errorf("got %v, %v; want %s", yes, err, c.want)
			}
		})
	}
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func TestNoReply(t *testing.T) {
	t.Run("is waited for as long as the context says", func(t *testing.T) {
		asked, release := make(chan struct{}), make(chan struct{})
		client := tenant(t, func(http.ResponseWriter, *http.Request) { close(asked); <-release })
		t.Cleanup(func() { close(release) }) // before the server is closed, which waits for it
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-asked; cancel() }()
		if allowed, err := ask(ctx, client); allowed || err == nil {
			t.Errorf("got %v, %v", allowed, err)
		}
	})
	t.Run("nor is a body", func(t *testing.T) {
		asked, release := make(chan struct{}), make(chan struct{})
		client := tenant(t, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `["create"`)
			w.(http.Flusher).Flush()
			close(asked)
			<-release
		})
		t.Cleanup(func() { close(release) })
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-asked; cancel() }()
		if allowed, err := ask(ctx, client); allowed || err == nil {
			t.Errorf("got %v, %v", allowed, err)
		}
	})
	t.Run("comes where nobody listens, or no token is to be had", func(t *testing.T) {
		client := tenant(t, says(200, `["create"]`))
		client.Token = func() (string, error) { return "", errors.New("no key") }
		if allowed, err := ask(t.Context(), client); allowed || err == nil {
			t.Errorf("got %v, %v", allowed, err)
		}
		client = tenant(t, says(200, `["create"]`))
		client.URI = "http://127.0.0.1:1/"
		if allowed, err := ask(t.Context(), client); allowed || err == nil {
			t.Errorf("got %v, %v", allowed, err)
		}
	})
}

func TestErrorsDoNotShowTheToken(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"in a body": func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "[%q", r.Header.Get("Authorization")) },
		"in what should be a status": func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				fmt.Fprintf(conn, "%s\r\n\r\n", r.Header.Get("Authorization"))
				_ = conn.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ask(t.Context(), tenant(t, handler))
			if err == nil || strings.Contains(err.Error(), token) {
				t.Errorf("got %v", err)
			}
		})
	}
}
