package cluster

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"minigroups/e2e/load"
	"minigroups/minigroup"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

// request sends a request to one of the APIs and fails the test unless the status code is this.
func request(t *testing.T, api int, method, path string, body any, code int) load.Answer {
	t.Helper()
	a, err := load.Exchange(t.Context(), http.DefaultClient, sut.token, method, sut.apiURLs[api]+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if a.Code != code {
		t.Fatalf("%s %s was answered %d, want %d: %s", method, path, a.Code, code, a.Text)
	}
	return a
}

func TestThePromisesHold(t *testing.T) {
	const path = "/api/v1/minigroups"
	start := time.Now().Unix() + 3600
	lesson := func(t *testing.T) (body map[string]any, byID, byScope string) {
		body = map[string]any{
			"scope": t.Name() + "/lesson", "audience": "example.org", "host": "teacher.example.org",
			"time": []int64{start, start + 3600}, "reserve": 8, "locked_chat": true,
		}
		scope := fmt.Sprint(body["scope"])
		byID = path + "/" + minigroup.NewClassID("example.org", scope).String()
		return body, byID, "/api/v1/audiences/example.org/minigroups/" + url.PathEscape(scope)
	}
	t.Run("every API shows a created minigroup", func(t *testing.T) {
		body, byID, byScope := lesson(t)
		created := request(t, 0, http.MethodPost, path, body, http.StatusCreated)
		if created.Status != "real-time" || created.RealTime == nil {
			t.Fatalf("got %s", created.Text)
		}
		for api := range sut.apiURLs {
			for _, p := range []string{byID, byScope} {
				if read := request(t, api, http.MethodGet, p, nil, http.StatusOK); read.Text != created.Text {
					t.Errorf("GET %s shows %s, want %s", p, read.Text, created.Text)
				}
			}
			if again := request(t, api, http.MethodPost, path, body, http.StatusOK); again.Text != created.Text {
				t.Errorf("an equal POST is answered %s, want %s", again.Text, created.Text)
			}
		}
	})
	t.Run("one API shows an update by the other", func(t *testing.T) {
		body, byID, byScope := lesson(t)
		request(t, 0, http.MethodPost, path, body, http.StatusCreated)
		updated := request(t, 0, http.MethodPut, byScope, map[string]any{"reserve": 3}, http.StatusOK)
		if read := request(t, 1, http.MethodGet, byID, nil, http.StatusOK); read.Text != updated.Text || *read.Reserve != 3 {
			t.Errorf("GET shows %s, want %s", read.Text, updated.Text)
		}
	})
	t.Run("a refused create is undone, and can be retried", func(t *testing.T) {
		body, byID, _ := lesson(t)
		class := minigroup.NewClassID("example.org", fmt.Sprint(body["scope"]))
		refuse := sandbox.Fault{
			Operation: sandbox.OperationCreate, Do: sandbox.EffectRefuse, ClassroomID: &class,
			Type: "access_denied", Status: http.StatusForbidden,
		}
		if err := sandboxclient.SetFaults(t.Context(), sut.conference, refuse); err != nil {
			t.Fatal(err)
		}
		refused := request(t, 0, http.MethodPost, path, body, http.StatusUnprocessableEntity)
		if refused.Type != "upstream_refused" {
			t.Errorf("got %s", refused.Text)
		}
		if read := request(t, 1, http.MethodGet, byID, nil, http.StatusOK); read.Status != "failed" {
			t.Errorf("got %s", read.Text)
		}
		assertConsistent(t, newAPIClient(1, mustSucceed), nil)
		if err := sandboxclient.ClearFaults(t.Context(), sut.conference); err != nil {
			t.Fatal(err)
		}
		if created := request(t, 1, http.MethodPost, path, body, http.StatusCreated); created.ClassID != class {
			t.Errorf("got %s", created.Text)
		}
	})
	assertConsistent(t, newAPIClient(1, mustSucceed), nil)
}
