package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// object is a minigroup, or a problem, as the API shows it.
type object struct {
	ID         string    `json:"id"`
	ClassID    uuid.UUID `json:"class_id"`
	Status     any       `json:"status"` // a word for a minigroup, a number for a problem
	Time       [2]*int64 `json:"time"`
	Host       string    `json:"host"`
	Reserve    *int32    `json:"reserve"`
	LockedChat bool      `json:"locked_chat"`
	TimedOut   *bool     `json:"timed_out"`
	RealTime   *struct {
		EventRoomID      uuid.UUID `json:"event_room_id"`
		ConferenceRoomID uuid.UUID `json:"conference_room_id"`
		Host             string    `json:"host"`
	} `json:"real_time"`
	Failure *struct {
		Type string `json:"type"`
	} `json:"failure"`
	Update *struct {
		State   string `json:"state"`
		Failure *struct {
			Type string `json:"type"`
		} `json:"failure"`
	} `json:"update"`

	Type        string `json:"type"`
	Detail      string `json:"detail"`
	IsTransient bool   `json:"is_transient"`
	Upstream    *struct {
		Name string `json:"name"`
		Type string `json:"type"`
	} `json:"upstream"`
	Errors []struct {
		Field string `json:"field"`
	} `json:"errors"`
}

// reply is an answer of the API.
type reply struct {
	object
	code   int
	header http.Header
	text   string
}

// request sends a request to the API and fails the test if there is no answer. body is text, or a value that is sent as
// JSON; headers are names and values in turn.
func request(t testing.TB, method, path string, body any, headers ...string) reply {
	t.Helper()
	r, err := send(t.Context(), method, path, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// send is request for goroutines, which must not fail the test.
func send(ctx context.Context, method, path string, body any, headers ...string) (reply, error) {
	return sendTo(ctx, sut.api, method, path, body, headers...)
}

// sendTo is send to another API than that of the system.
func sendTo(ctx context.Context, api, method, path string, body any, headers ...string) (reply, error) {
	return sendWith(ctx, http.DefaultClient, api, method, path, body, headers...)
}

// sendWith is sendTo with another client.
func sendWith(
	ctx context.Context, client *http.Client, api, method, path string, body any, headers ...string,
) (reply, error) {
	var r reply
	text, isText := body.(string)
	if body != nil && !isText {
		encoded, err := json.Marshal(body)
		if err != nil {
			return r, err
		}
		text = string(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, api+path, strings.NewReader(text))
	if err != nil {
		return r, err
	}
	req.Header.Set("Authorization", "Bearer "+sut.token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return r, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return r, err
	}
	r.code, r.header, r.text = res.StatusCode, res.Header, string(raw)
	if r.code == http.StatusNoContent && len(raw) == 0 {
		return r, nil
	}
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&r.object); err != nil {
		return r, fmt.Errorf("%s %s: %d, not JSON: %q", method, path, r.code, raw)
	}
	return r, nil
}

// wantInProgress fails the test unless the request was refused because an operation is running, and may be repeated.
func (r reply) wantInProgress(t testing.TB) {
	t.Helper()
	r.want(t, http.StatusConflict)
	if r.Type != "operation_in_progress" || r.header.Get("Retry-After") == "" {
		t.Fatalf("got %v %s", r.header, r.text)
	}
}

// want fails the test unless the status code is this.
func (r reply) want(t testing.TB, code int) reply {
	t.Helper()
	if r.code != code {
		t.Fatalf("got %d, want %d: %s", r.code, code, r.text)
	}
	return r
}

// httpGet returns the status code and the body of any URL, without a token.
func httpGet(ctx context.Context, url string) (code int, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

// fetch returns the body of any URL.
func fetch(t *testing.T, url string) string {
	t.Helper()
	_, text, err := httpGet(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// status returns the status code of any URL.
func status(t *testing.T, url string) (int, error) {
	t.Helper()
	code, _, err := httpGet(t.Context(), url)
	return code, err
}
