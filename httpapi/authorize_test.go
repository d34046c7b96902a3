package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

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

// routesOfOneMinigroup are the routes whose path names a minigroup, by its id or by audience and scope.
func routesOfOneMinigroup(m minigroup.Minigroup) []authorizedRoute {
	const byID, byScope = "/api/v1/minigroups/:minigroup_id", "/api/v1/audiences/:audience/minigroups/:scope"
	scope := "/api/v1/audiences/" + m.Audience + "/minigroups/" + m.Scope
	class, property := minigroups+"/"+classID(m.Draft).String(), "/properties/:property_id"
	return []authorizedRoute{
		{method: http.MethodGet, route: byID, path: class, action: "read"},
		{method: http.MethodPut, route: byID, path: class, body: `{"reserve":1}`, action: "update"},
		{method: http.MethodPost, route: byID + "/recreate", path: class + "/recreate", body: `{}`, action: "update"},
		{method: http.MethodPost, route: byID + "/retry", path: class + "/retry", action: "retry"},
		{method: http.MethodPost, route: byID + "/cancel", path: class + "/cancel", body: `{"reason":"x"}`, action: "cancel"},
		{method: http.MethodGet, route: byID + "/history", path: class + "/history", action: "history"},
		{method: http.MethodDelete, route: byID + "/personal-data", path: class + "/personal-data", action: "erase"},
		{method: http.MethodGet, route: byID + property, path: class + "/properties/p", action: "read"},
		{method: http.MethodPut, route: byID + property, path: class + "/properties/p", body: `1`, action: "update"},
		{
			method: http.MethodPost, route: byID + "/events", path: class + "/events", body: `{"type":"x","data":1}`,
			action: "update",
		},
		{method: http.MethodPost, route: byID + "/whiteboard", path: class + "/whiteboard", body: `{}`, action: "update"},
		{method: http.MethodGet, route: byScope, path: scope, action: "read", byScope: true},
		{method: http.MethodPut, route: byScope, path: scope, body: `{"reserve":1}`, action: "update", byScope: true},
	}
}

// routesOfAnAudience are the other routes that need a right: in the audience, whichever minigroup it is.
func routesOfAnAudience() []authorizedRoute {
	return []authorizedRoute{
		{method: http.MethodPost, route: minigroups, path: minigroups, body: lesson, action: "create"},
		{method: http.MethodGet, route: "/api/v1/audiences/:audience/minigroups", path: listPath, action: "list"},
	}
}

type authorizedRoute struct {
	method, route, path, body, action string
	byScope                           bool
}

func TestEveryRouteAsksForItsRight(t *testing.T) {
	tenant := &denyingTenant{}
	w := newWorld(t, func(d *Deps) {
		d.Authorizer = newAuthorizer(t, auth.Policy{
			Kind: auth.PolicyHTTP, Service: tenant, Timeout: time.Minute, Attempts: 1,
		})
	})
	w.put(filled())
	requests := func(actions ...string) (all []string) {
		for _, action := range actions {
			all = append(all, fmt.Sprintf("teacher.example.org %s %q", action, []string{"classrooms", filled().ID.String()}))
		}
		return all
	}
	tested := map[string]bool{}
	for _, c := range routesOfAnAudience() {
		tested[c.method+" "+c.route] = true
		tenant.requests = nil
		w.call(t, c.method, c.path, c.body).wantProblem(http.StatusForbidden, minigroup.AccessDenied)
		want := []string{"teacher.example.org " + c.action + ` ["classrooms"]`}
		if !slices.Equal(tenant.requests, want) {
			t.Errorf("the requests of %s %s are %q, want %q", c.method, c.route, tenant.requests, want)
		}
	}
	for _, c := range routesOfOneMinigroup(filled()) {
		tested[c.method+" "+c.route] = true
		t.Run(c.method+" "+c.route, func(t *testing.T) {
			tenant.requests = nil
			a := w.call(t, c.method, c.path, c.body)
			want := requests(c.action)
			if c.byScope {
				a.wantProblem(http.StatusForbidden, minigroup.AccessDenied)
			} else if a.wantProblem(http.StatusNotFound, minigroup.ClassNotFound); c.action != "read" {
				want = requests(c.action, "read") // the answer depends on whether the account knows the minigroup
			}
			if !slices.Equal(tenant.requests, want) {
				t.Errorf("the requests are %q, want %q", tenant.requests, want)
			}
		})
	}
	if w.startedSagas() != 0 {
		t.Errorf("%d sagas were started", w.startedSagas())
	}
	for _, route := range newEngine(Deps{Log: zap.NewNop()}).Routes() {
		name := route.Method + " " + route.Path
		ownAccount := strings.HasPrefix(route.Path, "/api/v1/account/") // needs no right
		if strings.HasPrefix(route.Path, "/api/v1/") && route.Method != http.MethodHead && !ownAccount && !tested[name] {
			t.Errorf("the right that %s needs is not tested", name)
		}
	}
}

// TestEveryRouteIsAllowedByItsRight sends each request for an account that has only the right that the route needs.
func TestEveryRouteIsAllowedByItsRight(t *testing.T) {
	allowed := func(t *testing.T, c authorizedRoute, object ...string) {
		t.Helper()
		w := newWorld(t, func(d *Deps) {
			d.Authorizer = newAuthorizer(t, auth.Policy{Kind: auth.PolicyLocalWhitelist, Records: []auth.Record{
				{Subject: "teacher.example.org", Object: object, Action: c.action},
			}})
		})
		w.events = func(context.Context, uuid.UUID, string) error { return nil }
		w.put(filled())
		if r := w.call(t, c.method, c.path, c.body); r.status >= http.StatusMultipleChoices {
			t.Errorf("%s %s: got %d %s", c.method, c.route, r.status, r.text)
		}
	}
	for _, c := range routesOfAnAudience() {
		if c.action == "create" {
			c.body = strings.Replace(lesson, "math-7b", "math-7c", 1)
		}
		allowed(t, c, "classrooms")
	}
	for _, c := range routesOfOneMinigroup(filled()) {
		allowed(t, c, "classrooms", filled().ID.String())
	}
}

// newAuthorizer returns an authorizer with this policy for example.org.
func newAuthorizer(t *testing.T, policy auth.Policy) *auth.Authorizer {
	t.Helper()
	authorizer, err := auth.NewAuthorizer(map[string]auth.Policy{"example.org": policy},
		auth.Options{Objects: "classrooms", Concurrency: 1})
	noError(t, err)
	return authorizer
}

// TestAnAccountWithoutARightLearnsNothing compares the answers about a minigroup that exists and one that does not.
func TestAnAccountWithoutARightLearnsNothing(t *testing.T) {
	w := newWorld(t)
	existing, other := filled(), filled()
	w.put(existing)
	other.Scope = "math-7c"
	pupil := "Bearer " + w.tokenOf(t, "pupil", time.Now().Add(time.Hour))
	inAnotherAudience := filled()
	inAnotherAudience.Audience = "unknown.example" // for which there is no policy
	others := routesOfOneMinigroup(other)
	foreign := routesOfOneMinigroup(inAnotherAudience)
	for i, c := range routesOfOneMinigroup(existing) {
		t.Run(c.method+" "+c.route, func(t *testing.T) {
			status, kind := http.StatusNotFound, minigroup.ClassNotFound
			if c.byScope {
				status, kind = http.StatusForbidden, minigroup.AccessDenied
			}
			// visible is what the account sees of an answer besides its own path and the id of its request.
			visible := func(c authorizedRoute) string {
				r := w.call(t, c.method, c.path, c.body, "Authorization", pupil).wantProblem(status, kind)
				for _, own := range []string{"instance", "request_id"} {
					delete(r.body, own)
				}
				for _, own := range []string{"X-Request-Id", "Date", "Content-Length"} {
					r.header.Del(own)
				}
				if text := fmt.Sprint(r.body["detail"]); strings.Contains(text, classID(filled().Draft).String()) ||
					strings.Contains(text, "of audience") {
					t.Errorf("it discloses the class: %s", text)
				}
				return fmt.Sprint(r.body, r.header)
			}
			want := visible(c)
			for _, absent := range []authorizedRoute{others[i], foreign[i]} {
				if got := visible(absent); got != want {
					t.Errorf("%s: %s\n%s: %s", c.path, want, absent.path, got)
				}
			}
		})
	}
	if w.startedSagas() != 0 {
		t.Errorf("%d sagas were started", w.startedSagas())
	}
}

func TestAnAccountThatMayReadLearnsWhatItMayNotDo(t *testing.T) {
	id := filled().ID.String()
	w := newWorld(t, func(d *Deps) {
		d.Authorizer = newAuthorizer(t, auth.Policy{Kind: auth.PolicyLocalWhitelist, Records: []auth.Record{
			{Subject: "teacher.example.org", Object: []string{"classrooms", id}, Action: "read"},
		}})
	})
	w.put(filled())
	for _, c := range routesOfOneMinigroup(filled()) {
		t.Run(c.method+" "+c.route, func(t *testing.T) {
			r := w.call(t, c.method, c.path, c.body)
			if c.action == "read" {
				r.wantStatus(http.StatusOK)
				return
			}
			r.wantProblem(http.StatusForbidden, minigroup.AccessDenied)
			if want := "teacher.example.org may not " + c.action + " classrooms"; r.body["detail"] != want {
				t.Errorf("got %s, want %s", r.text, want)
			}
		})
	}
}

// TestAnAuthorizationWithoutAnAnswer sends requests for a minigroup whose audience has an authorization service that is
// away.
func TestAnAuthorizationWithoutAnAnswer(t *testing.T) {
	w := newWorld(t)
	m := filled()
	m.Audience = "away.example"
	w.put(m)
	for _, c := range routesOfOneMinigroup(m) {
		r := w.call(t, c.method, c.path, c.body).
			wantProblem(http.StatusUnprocessableEntity, minigroup.AuthorizationFailed)
		if strings.Contains(fmt.Sprint(r.body["detail"]), m.Audience) {
			t.Errorf("%s %s discloses the audience: %s", c.method, c.path, r.text)
		}
	}
}
