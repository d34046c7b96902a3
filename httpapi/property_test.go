package httpapi

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"pgregory.net/rapid"

	"minigroups/httpapi/httpapitest"
	"minigroups/minigroup"
)

// TestAnyCreate sends arbitrary bodies. Either the minigroup exists with the values of the body, or the request is
// refused and nothing was started.
func TestAnyCreate(t *testing.T) {
	w := newWorld(t)
	accepted, refused := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		body := httpapitest.CreateBodies("example.org", "open.example", "elsewhere.example").Draw(r, "body")
		sagas, count := w.startedSagas(), w.count()
		switch a := w.call(t, http.MethodPost, "/api/v1/minigroups", body); {
		case a.status == http.StatusCreated:
			accepted++
			shown := w.call(t, http.MethodGet, a.header.Get("Location"), "")
			different, err := httpapitest.Differences(body, shown.text)
			if err != nil || len(different) > 0 || shown.text != a.text {
				r.Fatalf("%v, %v: %s", different, err, shown.text)
			}
		case a.status < 400 || a.status >= 500:
			r.Fatalf("status %d: %s", a.status, a.text)
		default:
			refused++
			if w.startedSagas() != sagas || w.count() != count {
				r.Fatalf("refused, but something was started: %s", a.text)
			}
		}
	})
	t.Logf("%d accepted, %d refused", accepted, refused)
	if accepted == 0 || refused == 0 {
		t.Error("all requests had the same outcome")
	}
}

// TestAnyUpdate does for PUT what TestAnyCreate does for POST.
func TestAnyUpdate(t *testing.T) {
	w := newWorld(t)
	accepted, refused := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		w.put(minigroup.Minigroup{
			Draft: minigroup.Draft{Audience: "example.org", Scope: "a/b", Host: "h"}, State: minigroup.Ready,
			CreatedAt: time.Unix(now, 0),
		})
		path := "/api/v1/audiences/example.org/minigroups/" + url.PathEscape("a/b")
		before, sagas := w.call(t, http.MethodGet, path, ""), w.startedSagas()
		body := httpapitest.UpdateBodies().Draw(r, "body")
		a := w.call(t, http.MethodPut, path, body)
		after := w.call(t, http.MethodGet, path, "")
		switch {
		case a.status == http.StatusOK:
			accepted++
			different, err := httpapitest.Differences(body, after.text)
			if err != nil || len(different) > 0 || after.text != a.text {
				r.Fatalf("%v, %v: %s", different, err, after.text)
			}
		case a.status < 400 || a.status >= 500:
			r.Fatalf("status %d: %s", a.status, a.text)
		default:
			refused++
			if w.startedSagas() != sagas || after.text != before.text {
				r.Fatalf("refused, but something was changed: %s", after.text)
			}
		}
	})
	t.Logf("%d accepted, %d refused", accepted, refused)
	if accepted == 0 || refused == 0 {
		t.Error("all requests had the same outcome")
	}
}
