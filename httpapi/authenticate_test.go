package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"minigroups/auth"
	"minigroups/minigroup"
)

// unreachable is an authorization service and a key set that cannot be reached.
type unreachable struct{}

var errUnreachable = errors.New("s3cr3t")

func (unreachable) Allows(context.Context, string, string, []string, string) (bool, error) {
	return false, errUnreachable
}

func (unreachable) Lookup(context.Context, string, string) ([]any, error) { return nil, errUnreachable }

func TestTokens(t *testing.T) {
	w := newWorld(t)
	path := minigroups + "/" + filled().ID.String()
	expired := w.tokenOf(t, "teacher", time.Now().Add(-auth.Leeway-time.Second))
	invalid := `Bearer realm="minigroups", error="invalid_token"`
	for name, c := range map[string]struct {
		header, query string
		kind          minigroup.Kind
		challenge     string
	}{
		"none": {kind: minigroup.NoAuthenticationToken, challenge: `Bearer realm="minigroups"`},
		"an empty token in the query": {
			query: "?access_token=", kind: minigroup.NoAuthenticationToken, challenge: `Bearer realm="minigroups"`,
		},
		"another scheme":             {header: "Basic dTpw", kind: minigroup.InvalidAuthentication, challenge: invalid},
		"the token without a scheme": {header: w.token, kind: minigroup.InvalidAuthentication, challenge: invalid},
		"an empty token":             {header: "Bearer ", kind: minigroup.InvalidAuthentication, challenge: invalid},
		"a truncated token": {
			header: "Bearer " + w.token[:len(w.token)-8], kind: minigroup.InvalidAuthentication, challenge: invalid,
		},
		"an expired token": {
			header: "Bearer " + expired, kind: minigroup.InvalidAuthentication, challenge: invalid,
		},
		"an expired token in the query": {
			query: "?access_token=" + expired, kind: minigroup.InvalidAuthentication, challenge: invalid,
		},
		"a valid token in the query and an invalid header": {
			header: "Bearer x", query: "?access_token=" + w.token, kind: minigroup.InvalidAuthentication, challenge: invalid,
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.call(t, http.MethodGet, path+c.query, "", "Authorization", c.header).
				wantProblem(http.StatusUnauthorized, c.kind).wantHeader("WWW-Authenticate", c.challenge)
			if a.body["instance"] != path || strings.Contains(a.text, w.token[:20]) {
				t.Errorf("it shows the query: %s", a.text)
			}
		})
	}
	t.Run("the scheme is case-insensitive", func(t *testing.T) {
		w.call(t, http.MethodGet, path, "", "Authorization", "bearer "+w.token).
			wantProblem(http.StatusNotFound, minigroup.ClassNotFound)
	})
	t.Run("the token of the query is used without a header", func(t *testing.T) {
		a := w.call(t, http.MethodGet, path+"?access_token="+w.token, "", "Authorization", "").
			wantProblem(http.StatusNotFound, minigroup.ClassNotFound)
		if strings.Contains(a.text, w.token[:20]) {
			t.Errorf("it shows the token: %s", a.text)
		}
	})
	t.Run("a panic does not log the query", func(t *testing.T) {
		w.create = func(
			context.Context, minigroup.CreateRequest, time.Duration,
		) (minigroup.Minigroup, minigroup.Outcome, error) {
			panic("unexpected")
		}
		w.call(t, http.MethodPost, minigroups+"?access_token="+w.token, lesson, "Authorization", "").
			wantProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
	})
	for _, entry := range w.logs.All() {
		line := fmt.Sprint(entry.Message, entry.ContextMap())
		if strings.Contains(line, w.token[:20]) || strings.Contains(line, path) {
			t.Errorf("the log contains the token or the path: %s", line)
		}
	}
}

func TestUnreachableKeysAreTransient(t *testing.T) {
	w := newWorld(t)
	token, err := w.signer.Issue("away.example.org", "example.org", "teacher", time.Now().Add(time.Hour))
	noError(t, err)
	a := w.call(t, http.MethodPost, minigroups, lesson, "Authorization", "Bearer "+token).
		wantProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable).wantHeader("Retry-After", "5")
	if a.body["is_transient"] != true || strings.Contains(a.text, "s3cr3t") {
		t.Error(a.text)
	}
	w.call(t, http.MethodPost, minigroups, lesson).wantStatus(http.StatusCreated)
}

func TestUnreachableAuthorizationIsTransient(t *testing.T) {
	w := newWorld(t)
	body := strings.Replace(lesson, "example.org", "away.example", 1)
	a := w.call(t, http.MethodPost, minigroups, body).
		wantProblem(http.StatusUnprocessableEntity, minigroup.AuthorizationFailed).wantHeader("Retry-After", "5")
	if a.body["is_transient"] != true || strings.Contains(a.text, "s3cr3t") || w.startedSagas() != 0 {
		t.Errorf("%d sagas: %s", w.startedSagas(), a.text)
	}
}
