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

// away is a tenant's service, and an issuer, that cannot be reached.
type away struct{}

var errAway = errors.New("s3cr3t")

func (away) Allows(context.Context, string, string, []string, string) (bool, error) {
	return false, errAway
}

func (away) Lookup(context.Context, string, string) ([]any, error) { return nil, errAway }

func TestTokens(t *testing.T) {
	w := newWorld(t)
	path := minigroups + "/" + filled().ID.String()
	expired := w.tokenOf(t, "teacher", time.Now().Add(-auth.Leeway-time.Second))
	refused := `Bearer realm="minigroups", error="invalid_token"`
	for name, c := range map[string]struct {
		header, query string
		kind          minigroup.Kind
		challenge     string
	}{
		"none":                        {"", "", minigroup.NoAuthenticationToken, `Bearer realm="minigroups"`},
		"an empty one in the query":   {"", "?access_token=", minigroup.NoAuthenticationToken, `Bearer realm="minigroups"`},
		"another scheme":              {"Basic dTpw", "", minigroup.InvalidAuthentication, refused},
		"the token alone":             {w.token, "", minigroup.InvalidAuthentication, refused},
		"an empty token":              {"Bearer ", "", minigroup.InvalidAuthentication, refused},
		"a truncated token":           {"Bearer " + w.token[:len(w.token)-8], "", minigroup.InvalidAuthentication, refused},
		"an expired token":            {"Bearer " + expired, "", minigroup.InvalidAuthentication, refused},
		"an expired one in the query": {"", "?access_token=" + expired, minigroup.InvalidAuthentication, refused},
		"a good one in the query behind a bad header": {"Bearer x", "?access_token=" + w.token, minigroup.InvalidAuthentication, refused},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.call(t, http.MethodGet, path+c.query, "", "Authorization", c.header).wantsProblem(http.StatusUnauthorized, c.kind).wantsHeader("WWW-Authenticate", c.challenge)
			if a.body["instance"] != path || strings.Contains(a.text, w.token[:20]) {
				t.Errorf("it shows the query: %s", a.text)
			}
		})
	}
	t.Run("the scheme is taken in any case", func(t *testing.T) {
		w.call(t, http.MethodGet, path, "", "Authorization", "bearer "+w.token).wantsProblem(http.StatusNotFound, minigroup.ClassNotFound)
	})
	t.Run("the query is taken where there is no header", func(t *testing.T) {
		a := w.call(t, http.MethodGet, path+"?access_token="+w.token, "", "Authorization", "").wantsProblem(http.StatusNotFound, minigroup.ClassNotFound)
		if strings.Contains(a.text, w.token[:20]) {
			t.Errorf("it shows the token: %s", a.text)
		}
	})
	t.Run("a panic does not show the query either", func(t *testing.T) {
		w.create = func(context.Context, minigroup.CreateRequest, time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
			panic("at the disco")
		}
		w.call(t, http.MethodPost, minigroups+"?access_token="+w.token, lesson, "Authorization", "").wantsProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
	})
	for _, entry := range w.logs.All() {
		if line := fmt.Sprint(entry.Message, entry.ContextMap()); strings.Contains(line, w.token[:20]) || strings.Contains(line, path) {
			t.Errorf("the log shows too much: %s", line)
		}
	}
}

func TestAnIssuerWhoseKeysAreOutOfReach(t *testing.T) {
	w := newWorld(t)
	token, err := w.signer.Issue("away.example.org", "example.org", "teacher", time.Now().Add(time.Hour))
	mustNot(t, err)
	a := w.call(t, http.MethodPost, minigroups, lesson, "Authorization", "Bearer "+token).wantsProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable).wantsHeader("Retry-After", "5")
	if a.body["is_transient"] != true || strings.Contains(a.text, "s3cr3t") {
		t.Error(a.text)
	}
	w.call(t, http.MethodPost, minigroups, lesson).wants(http.StatusCreated)
}

func TestATenantThatDoesNotAnswer(t *testing.T) {
	w := newWorld(t)
	body := strings.Replace(lesson, "example.org", "away.example", 1)
	a := w.call(t, http.MethodPost, minigroups, body).wantsProblem(http.StatusUnprocessableEntity, minigroup.AuthorizationFailed).wantsHeader("Retry-After", "5")
	if a.body["is_transient"] != true || strings.Contains(a.text, "s3cr3t") || w.sagas() != 0 {
		t.Errorf("%d sagas: %s", w.sagas(), a.text)
	}
}
