package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"minigroups/auth"
	"minigroups/minigroup"
)

// strict is a tenant that denies everything and remembers what it was asked.
type strict struct{ questions []string }

func (s *strict) Allows(_ context.Context, label, audience string, object []string, action string) (bool, error) {
	s.questions = append(s.questions, fmt.Sprintf("%s.%s %s %q", label, audience, action, object))
	return false, nil
}

func TestWhatEachRouteAsksForIsDenied(t *testing.T) {
	tenant := &strict{}
	authorizer, err := auth.NewAuthorizer(map[string]auth.Policy{
		"example.org": {Kind: auth.PolicyHTTP, Service: tenant, Timeout: time.Minute, Attempts: 1},
	}, auth.Options{Objects: "classrooms", Concurrency: 1})
	mustNot(t, err)
	w := newWorld(t, func(d *Deps) { d.Authorizer = authorizer })
	w.put(filled())
	id := filled().ID.String()
	class, byScope := minigroups+"/"+id, "/api/v1/audiences/example.org/minigroups/math-7b"
	asked := map[string]bool{}
	for _, c := range []struct{ method, route, path, body, want string }{
		{http.MethodPost, "/api/v1/minigroups", minigroups, lesson, `create ["classrooms"]`},
		{http.MethodGet, "/api/v1/minigroups/:minigroup_id", class, "", `read`},
		{http.MethodPut, "/api/v1/minigroups/:minigroup_id", class, `{"reserve":1}`, `update`},
		{http.MethodPost, "/api/v1/minigroups/:minigroup_id/recreate", class + "/recreate", `{}`, `update`},
		{http.MethodPost, "/api/v1/minigroups/:minigroup_id/retry", class + "/retry", "", `retry`},
		{http.MethodGet, "/api/v1/minigroups/:minigroup_id/properties/:property_id", class + "/properties/p", "", `read`},
		{http.MethodPut, "/api/v1/minigroups/:minigroup_id/properties/:property_id", class + "/properties/p", `1`, `update`},
		{http.MethodPost, "/api/v1/minigroups/:minigroup_id/events", class + "/events", `{"type":"x","data":1}`, `update`},
		{http.MethodPost, "/api/v1/minigroups/:minigroup_id/whiteboard", class + "/whiteboard", `{}`, `update`},
		{http.MethodGet, "/api/v1/audiences/:audience/minigroups/:scope", byScope, "", `read`},
		{http.MethodPut, "/api/v1/audiences/:audience/minigroups/:scope", byScope, `{"reserve":1}`, `update`},
	} {
		asked[c.method+" "+c.route] = true
		t.Run(c.method+" "+c.route, func(t *testing.T) {
			tenant.questions = nil
			w.call(t, c.method, c.path, c.body).wantsProblem(http.StatusForbidden, minigroup.AccessDenied)
			want := "teacher.example.org " + c.want
			if !strings.HasPrefix(c.want, "create ") {
				want += fmt.Sprintf(" %q", []string{"classrooms", id})
			}
			if !slices.Equal(tenant.questions, []string{want}) {
				t.Errorf("the tenant was asked %q, want %q", tenant.questions, want)
			}
		})
	}
	if w.sagas() != 0 {
		t.Errorf("%d sagas were started", w.sagas())
	}
	for _, route := range newEngine(Deps{}).Routes() {
		name := route.Method + " " + route.Path
		own := strings.HasPrefix(route.Path, "/api/v1/account/") // everybody's own, of which nobody is asked
		if strings.HasPrefix(route.Path, "/api/v1/") && route.Method != http.MethodHead && !own && !asked[name] {
			t.Errorf("nobody knows what %s asks for", name)
		}
	}
}
