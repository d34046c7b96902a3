package httpapi

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"minigroups/minigroup"
)

// TestEveryWriteSaysWhoAsks sends every request that starts a saga.
func TestEveryWriteSaysWhoAsks(t *testing.T) {
	class := minigroups + "/" + filled().ID.String()
	for name, c := range map[string]struct {
		method, path, body, reason string
		failed                     bool
	}{
		"create":   {method: http.MethodPost, path: minigroups, body: lesson},
		"update":   {method: http.MethodPut, path: class, body: `{"reserve":1}`},
		"recreate": {method: http.MethodPost, path: class + "/recreate", body: `{}`},
		"retry":    {method: http.MethodPost, path: class + "/retry", failed: true},
		"retry with a reason": {
			method: http.MethodPost, path: class + "/retry", body: `{"reason":"why"}`, reason: "why", failed: true,
		},
		"retry with the longest reason": {
			method: http.MethodPost, path: class + "/retry",
			body:   `{"reason":"` + strings.Repeat("я", minigroup.MaxReason) + `"}`,
			reason: strings.Repeat("я", minigroup.MaxReason), failed: true,
		},
		"retry without the reason": {
			method: http.MethodPost, path: class + "/retry", body: `{"reason":null}`, failed: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(filled())
			if c.failed {
				w.put(failedMinigroup())
			}
			var by []minigroup.Requester
			create, update := w.create, w.update
			w.create = func(
				ctx context.Context, r minigroup.CreateRequest, wait time.Duration,
			) (minigroup.Minigroup, minigroup.Outcome, error) {
				by = append(by, r.RequestedBy)
				return create(ctx, r, wait)
			}
			w.update = func(
				ctx context.Context, m minigroup.Minigroup, change minigroup.Change, wait time.Duration,
			) (minigroup.Minigroup, minigroup.Outcome, error) {
				by = append(by, change.RequestedBy)
				return update(ctx, m, change, wait)
			}
			a := w.call(t, c.method, c.path, c.body, "X-Request-Id", "request-1")
			if a.status >= http.StatusBadRequest {
				t.Fatal(a.text)
			}
			want := minigroup.Requester{
				Account: minigroup.Account{Label: "teacher", Audience: "example.org"}, Reason: c.reason, RequestID: "request-1",
			}
			if len(by) != 1 || by[0] != want {
				t.Errorf("it was requested by %+v, want %+v", by, want)
			}
		})
	}
}

func TestAReasonThatIsNoneIsRefused(t *testing.T) {
	path := minigroups + "/" + filled().ID.String() + "/retry"
	for name, body := range map[string]string{
		"not JSON": "why", "no object": `"why"`, "a number": `{"reason":1}`,
		"too long": `{"reason":"` + strings.Repeat("я", minigroup.MaxReason+1) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(failedMinigroup())
			w.call(t, http.MethodPost, path, body).wantProblem(http.StatusBadRequest, minigroup.InvalidPayload)
			if w.startedSagas() != 0 {
				t.Error("it was retried")
			}
		})
	}
}
