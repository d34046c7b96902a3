package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"minigroups/clients/rest"
	"minigroups/minigroup"
)

const token = "header.claims.signature"

type body struct {
	Name string `json:"name"`
}

func newClient(t *testing.T, url string) rest.Client {
	t.Helper()
	transport := rest.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	return rest.Client{
		Upstream:  "shop",
		URL:       url,
		Transport: transport,
		Token:     func() (string, error) { return token, nil },
		Secrets:   []string{"", `pass<word>`},
		Verdicts: rest.Verdicts{
			"sold_out": rest.Refused,
			"asleep":   rest.NotDone,
		},
	}
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// post sends a POST and returns its error, which must be a *minigroup.UpstreamError itself.
func post(t *testing.T, c rest.Client) *minigroup.UpstreamError {
	t.Helper()
	return do(t.Context(), t, c, rest.Call{
		Doing: "buy", Method: http.MethodPost, Path: "/things", Body: body{"pass<word>"}, Reply: &body{},
	})
}

func do(ctx context.Context, t *testing.T, c rest.Client, call rest.Call) *minigroup.UpstreamError {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	err := c.Do(ctx, call)
	if err == nil {
		return nil
	}
	var failed *minigroup.UpstreamError
	if !errors.As(err, &failed) || failed != err { //nolint:errorlint // it must be this type, not a wrapper
		t.Fatalf("error is a %T: %v", err, err)
	}
	if failed.Upstream != "shop" || failed.Doing != call.Doing {
		t.Errorf("error of upstream %q, operation %q: %v", failed.Upstream, failed.Doing, err)
	}
	return failed
}

func TestDo(t *testing.T) {
	t.Run("sends JSON with a token and reads JSON of any content type", func(t *testing.T) {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			var got body
			if err := json.NewDecoder(r.Body).Decode(&got); err != nil || got.Name != "apple" {
				t.Errorf("body: %+v, %v", got, err)
			}
			if r.URL.Path != "/base/things" || r.Header.Get("Content-Type") != "application/json" ||
				r.Header.Get("Authorization") != "Bearer "+token {
				t.Errorf("request: %s %v", r.URL.Path, r.Header)
			}
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, `{"name":"pear","more":[1]}`)
		})
		var reply body
		failed := do(t.Context(), t, newClient(t, url+"/base/"), rest.Call{
			Doing: "buy", Method: http.MethodPost, Path: "/things", Body: body{"apple"}, Reply: &reply,
		})
		if failed != nil || reply.Name != "pear" {
			t.Fatalf("reply %+v, error %v", reply, failed)
		}
	})

	t.Run("sends no body and no token if there is none", func(t *testing.T) {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength != 0 || r.Header.Get("Content-Type") != "" || r.Header.Get("Authorization") != "" {
				t.Errorf("%d bytes, %v", r.ContentLength, r.Header)
			}
			_, _ = io.WriteString(w, `{}`)
		})
		c := newClient(t, url)
		c.Token = nil
		if failed := do(t.Context(), t, c, rest.Call{Doing: "look", Method: http.MethodGet, Reply: &body{}}); failed != nil {
			t.Fatal(failed)
		}
	})

	t.Run("sends nothing if the token fails, and the error is retryable", func(t *testing.T) {
		c := newClient(t, serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was received") }))
		noKey := errors.New("no key")
		c.Token = func() (string, error) { return "", noKey }
		if failed := post(t, c); failed.Refused || failed.MaybeDone || !errors.Is(failed, noKey) {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("refuses a body that cannot be encoded", func(t *testing.T) {
		c := newClient(t, serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was received") }))
		failed := do(t.Context(), t, c, rest.Call{
			Doing: "buy", Method: http.MethodPost, Body: json.RawMessage("{"), Reply: &body{},
		})
		if !failed.Refused || failed.MaybeDone {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("refuses an invalid URL without quoting it", func(t *testing.T) {
		failed := post(t, newClient(t, "http://me:pa%%ss@127.0.0.1"))
		if !failed.Refused || failed.MaybeDone || strings.Contains(failed.Error(), "ss@") {
			t.Errorf("%+v", failed)
		}
	})
}
