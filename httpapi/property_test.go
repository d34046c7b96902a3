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

// TestAnyCreate: whatever the body of a POST, either the minigroup is there as it was asked for, or the caller is told
// why not and nothing has been started.
func TestAnyCreate(t *testing.T) {
	w := newWorld(t)
	accepted, refused := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		body := httpapitest.Creates("example.org", "open.example", "elsewhere.example").Draw(r, "body")
		sagas, count := w.sagas(), w.count()
		switch a := w.call(t, http.MethodPost, "/api/v1/minigroups", body); {
		case a.status == http.StatusCreated:
			accepted++
			shown := w.call(t, http.MethodGet, a.header.Get("Location"), "")
			if different, err := httpapitest.Differences(body, shown.text); err != nil || len(different) > 0 || shown.text != a.text {
				r.Fatalf("%v, %v: %s", different, err, shown.text)
			}
		case a.status < 400 || a.status >= 500:
			r.Fatalf("status %d: %s", a.status, a.text)
		default:
			refused++
			if w.sagas() != sagas || w.count() != count {
				r.Fatalf("refused, but something was begun: %s", a.text)
			}
		}
	})
	t.Logf("%d accepted, %d refused", accepted, refused)
	if accepted == 0 || refused == 0 {
		t.Error("only one of both was tried")
	}
}

// TestAnyUpdate is to PUT what TestAnyCreate is to POST.
func TestAnyUpdate(t *testing.T) {
	w := newWorld(t)
	accepted, refused := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		w.put(minigroup.Minigroup{Draft: minigroup.Draft{Audience: "example.org", Scope: "a/b", Host: "h"}, State: minigroup.Ready, CreatedAt: time.Unix(now, 0)})
		path := "/api/v1/audiences/example.org/minigroups/" + url.PathEscape("a/b")
		before, sagas := w.call(t, http.MethodGet, path, ""), w.sagas()
		body := httpapitest.Changes().Draw(r, "body")
		a := w.call(t, http.MethodPut, path, body)
		after := w.call(t, http.MethodGet, path, "")
		switch {
		case a.status == http.StatusOK:
			accepted++
			if different, err := httpapitest.Differences(body, after.text); err != nil || len(different) > 0 || after.text != a.text {
				r.Fatalf("%v, %v: %s", different, err, after.text)
			}
		case a.status < 400 || a.status >= 500:
			r.Fatalf("status %d: %s", a.status, a.text)
		default:
			refused++
			if w.sagas() != sagas || after.text != before.text {
				r.Fatalf("refused, but something was changed: %s", after.text)
			}
		}
	})
	t.Logf("%d accepted, %d refused", accepted, refused)
	if accepted == 0 || refused == 0 {
		t.Error("only one of both was tried")
	}
}
