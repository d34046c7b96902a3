package httpapi

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"minigroups/minigroup"
)

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// response is a response of the API.
type response struct {
	t      *testing.T
	status int
	header http.Header
	text   string
	body   map[string]any
}

// call sends a JSON request with the world's token. headers are pairs of name and value that replace the default
// headers; an empty value removes the header.
func (w *world) call(t *testing.T, method, path, body string, headers ...string) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	noError(t, err)
	req.Header.Set("Authorization", "Bearer "+w.token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Del(headers[i])
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] != "" {
			req.Header.Add(headers[i], headers[i+1])
		}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	noError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	noError(t, err)
	recordExchange(t, req, body, resp, text)

	a := response{t: t, status: resp.StatusCode, header: resp.Header, text: string(text)}
	isDocument := resp.StatusCode == http.StatusOK &&
		(path == "/openapi.yaml" || strings.HasPrefix(path, "/docs") || strings.HasPrefix(path, "/support"))
	if len(text) > 0 && !isDocument {
		var body any
		if err := json.Unmarshal(text, &body); err != nil {
			t.Fatalf("the body is not JSON: %v\n%s", err, text)
		}
		a.body, _ = body.(map[string]any)
	}
	return a
}

func (a response) wantStatus(status int) response {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status is %d, want %d: %s", a.status, status, a.text)
	}
	hasBody := status < 300 && status != http.StatusNoContent
	if hasBody && a.header.Get("Content-Type") != "application/json; charset=utf-8" {
		a.t.Errorf("content type is %q", a.header.Get("Content-Type"))
	}
	if a.header.Get("Access-Control-Allow-Origin") != "*" {
		a.t.Error("it has no Access-Control-Allow-Origin")
	}
	return a
}

func (a response) wantProblem(status int, kind minigroup.Kind) response {
	a.t.Helper()
	a.wantStatus(status)
	if a.header.Get("Content-Type") != "application/problem+json" {
		a.t.Errorf("content type is %q", a.header.Get("Content-Type"))
	}
	if a.body["type"] != string(kind) || a.body["status"] != float64(status) {
		a.t.Fatalf("got %s, want %s with %d", a.text, kind, status)
	}
	if id := a.header.Get("X-Request-Id"); id == "" || a.body["request_id"] != id {
		a.t.Errorf("request_id is %v, the header says %q", a.body["request_id"], id)
	}
	return a
}

func (a response) wantHeader(name, want string) response {
	a.t.Helper()
	if got := a.header.Get(name); got != want {
		a.t.Errorf("%s is %q, want %q", name, got, want)
	}
	return a
}
