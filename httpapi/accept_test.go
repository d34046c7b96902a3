package httpapi

import (
	"net/http"
	"testing"

	"minigroups/minigroup"
)

func TestAccept(t *testing.T) {
	w := newWorld(t)
	w.put(filled())
	path := minigroups + "/" + filled().ID.String()
	for _, c := range []struct {
		accept []string
		ok     bool
	}{
		{nil, true},
		{[]string{"*/*"}, true},
		{[]string{"application/json"}, true},
		{[]string{"Application/JSON; charset=utf-8"}, true},
		{[]string{"text/html", "application/*;q=0.1"}, true},
		{[]string{"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"}, true},
		{[]string{`text/html;a="b,application/json"`}, false},
		{[]string{"application/json;q=0.0, */*"}, false},
		{[]string{"*/*;q=0, application/json"}, true},
		{[]string{"application/*;q=0, */*"}, false},
		{[]string{"application/*, application/json;q=0"}, false},
		{[]string{"application/json;q=0, application/json;version=1"}, true},
		{[]string{"text/html"}, false},
		{[]string{"application/problem+json"}, false},
		{[]string{"text/html;q=0"}, false},
		{[]string{"/"}, true},
		{[]string{";;"}, true},
		{[]string{""}, true},
		{[]string{"application/json;q=2"}, true},
		{[]string{"application/json;q=NaN"}, true},
		{[]string{"text/html, application/json;q=x"}, false},
		{[]string{"text/html, application/json;q=2"}, false},
		{[]string{"text/html, application/json;q=1"}, true},
		{[]string{"/, text/html"}, false},
		{[]string{"application/json;q=x, text/html"}, false},
	} {
		headers := []string{}
		for _, accept := range c.accept {
			headers = append(headers, "Accept", accept)
		}
		for _, request := range []struct{ method, path, body string }{
			{http.MethodGet, path, ""}, {http.MethodPost, minigroups, lesson}, {http.MethodPut, path, "{}"},
		} {
			a := w.call(t, request.method, request.path, request.body, headers...)
			if c.ok == (a.status == http.StatusNotAcceptable) {
				t.Errorf("%s with %q: %d %s", request.method, c.accept, a.status, a.text)
			}
			if !c.ok {
				a.wantProblem(http.StatusNotAcceptable, minigroup.NotAcceptable)
			}
		}
	}
	t.Run("the token is checked first", func(t *testing.T) {
		w.call(t, http.MethodGet, path, "", "Accept", "text/html", "Authorization", "").
			wantProblem(http.StatusUnauthorized, minigroup.NoAuthenticationToken)
	})
	t.Run("a health check ignores Accept", func(t *testing.T) {
		w.call(t, http.MethodGet, "/healthz", "", "Accept", "text/html").wantStatus(http.StatusOK)
	})
}
