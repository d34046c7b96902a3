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

// denyingTenant is an authorization service that denies every request and records it.
type denyingTenant struct{ requests []string }

func (s *denyingTenant) Allows(
	_ context.Context, label, audience string, object []string, action string,
) (bool, error) {
	s.requests = append(s.requests, fmt.Sprintf("%s.%s %s %q", label, audience, action, object))
	return false, nil
}

func TestEveryRouteAsksForItsRight(t *testing.T) {
	tenant := &denyingTenant{}
	authorizer, err := auth.NewAuthorizer(map[string]auth.Policy{
		"example.org": {Kind: auth.PolicyHTTP, Service: tenant, Timeout: time.Minute, Attempts: 1},
	}, auth.Options{Objects: "classrooms", Concurrency: 1})
	noError(t, err)
	w := newWorld(t, func(d *Deps) { d.Authorizer = authorizer })
	w.put(filled())
	id := filled().ID.String()
	class, byScope := minigroups+"/"+id, "/api/v1/audiences/example.org/minigroups/math-7b"
	tested := map[string]bool{}
	for _, c := range []struct{ method, route, path, body, want string }{
		{method: http.MethodPost, route: "/api/v1/minigroups", path: minigroups, body: lesson, want: `create ["classrooms"]`},
		{method: http.MethodGet, route: "/api/v1/minigroups/:minigroup_id", path: class, want: `read`},
		{
			method: http.MethodPut, route: "/api/v1/minigroups/:minigroup_id", path: class, body: `{"reserve":1}`,
			want: `update`,
		},
		{
			method: http.MethodPost, route: "/api/v1/minigroups/:minigroup_id/recreate", path: class + "/recreate", body: `{}`,
			want: `update`,
		},
		{method: http.MethodPost, route: "/api/v1/minigroups/:minigroup_id/retry", path: class + "/retry", want: `retry`},
		{
			method: http.MethodGet, route: "/api/v1/minigroups/:minigroup_id/properties/:property_id",
			path: class + "/properties/p", want: `read`,
		},
		{
			method: http.MethodPut, route: "/api/v1/minigroups/:minigroup_id/properties/:property_id",
			path: class + "/properties/p", body: `1`, want: `update`,
		},
		{
			method: http.MethodPost, route: "/api/v1/minigroups/:minigroup_id/events", path: class + "/events",
			body: `{"type":"x","data":1}`, want: `update`,
		},
		{
			method: http.MethodPost, route: "/api/v1/minigroups/:minigroup_id/whiteboard", path: class + "/whiteboard",
			body: `{}`, want: `update`,
		},
		{method: http.MethodGet, route: "/api/v1/audiences/:audience/minigroups/:scope", path: byScope, want: `read`},
		{
			method: http.MethodPut, route: "/api/v1/audiences/:audience/minigroups/:scope", path: byScope, body: `{"reserve":1}`,
			want: `update`,
		},
	} {
		tested[c.method+" "+c.route] = true
		t.Run(c.method+" "+c.route, func(t *testing.T) {
			tenant.requests = nil
			w.call(t, c.method, c.path, c.body).wantProblem(http.StatusForbidden, minigroup.AccessDenied)
			want := "teacher.example.org " + c.want
			if !strings.HasPrefix(c.want, "create ") {
				want += fmt.Sprintf(" %q", []string{"classrooms", id})
			}
			if !slices.Equal(tenant.requests, []string{want}) {
				t.Errorf("the requests are %q, want %q", tenant.requests, want)
			}
		})
	}
	if w.startedSagas() != 0 {
		t.Errorf("%d sagas were started", w.startedSagas())
	}
	for _, route := range newEngine(Deps{}).Routes() {
		name := route.Method + " " + route.Path
		ownAccount := strings.HasPrefix(route.Path, "/api/v1/account/") // needs no right
		if strings.HasPrefix(route.Path, "/api/v1/") && route.Method != http.MethodHead && !ownAccount && !tested[name] {
			t.Errorf("the right that %s needs is not tested", name)
		}
	}
}
