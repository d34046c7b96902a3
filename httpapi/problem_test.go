package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"minigroups/minigroup"
)

func TestErrorsOfSagas(t *testing.T) {
	path := minigroups + "/" + filled().ID.String()
	for name, c := range map[string]struct {
		err        error
		status     int
		kind       minigroup.Kind
		retryAfter string
		transient  bool
	}{
		"another minigroup": {
			err: minigroup.Errorf(minigroup.AlreadyEstablished, "x"), status: http.StatusConflict,
			kind: minigroup.AlreadyEstablished,
		},
		"another operation": {
			err: minigroup.Errorf(minigroup.OperationInProgress, "x"), status: http.StatusConflict,
			kind: minigroup.OperationInProgress, retryAfter: "2", transient: true,
		},
		"not ready": {
			err: minigroup.Errorf(minigroup.NotReady, "x"), status: http.StatusConflict, kind: minigroup.NotReady,
		},
		"a known RetryAfter": {
			err:    &minigroup.Error{Kind: minigroup.UpstreamUnavailable, RetryAfter: 1500 * time.Millisecond},
			status: http.StatusServiceUnavailable, kind: minigroup.UpstreamUnavailable, retryAfter: "2", transient: true,
		},
		"no capacity": {
			err: minigroup.Errorf(minigroup.CapacityExceeded, "x"), status: http.StatusServiceUnavailable,
			kind: minigroup.CapacityExceeded,
		},
		"a wrapped refusal": {
			err: fmt.Errorf("wait: %w", minigroup.Errorf(minigroup.Closed, "x")), status: http.StatusConflict,
			kind: minigroup.Closed,
		},
		"an unknown error": {
			err: errors.New("rpc: password=s3cr3t"), status: http.StatusServiceUnavailable, kind: minigroup.ServiceUnavailable,
			retryAfter: "5", transient: true,
		},
		"an unknown kind": {
			err: minigroup.Errorf("brand_new", "x"), status: http.StatusServiceUnavailable, kind: minigroup.ServiceUnavailable,
			retryAfter: "5", transient: true,
		},
		"a cancelled request": {
			err: context.Canceled, status: http.StatusServiceUnavailable, kind: minigroup.ServiceUnavailable, retryAfter: "5",
			transient: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(filled())
			w.create = func(
				context.Context, minigroup.CreateRequest, time.Duration,
			) (minigroup.Minigroup, minigroup.Outcome, error) {
				return minigroup.Minigroup{}, minigroup.OutcomeDone, c.err
			}
			w.update = func(
				context.Context, minigroup.Minigroup, minigroup.Change, time.Duration,
			) (minigroup.Minigroup, minigroup.Outcome, error) {
				return minigroup.Minigroup{}, minigroup.OutcomeDone, c.err
			}
			for _, a := range []response{
				w.call(t, http.MethodPost, minigroups, lesson), w.call(t, http.MethodPut, path, `{"reserve":1}`),
			} {
				a.wantProblem(c.status, c.kind).wantHeader("Retry-After", c.retryAfter)
				if a.body["is_transient"] != c.transient || a.body["title"] == "" {
					t.Error(a.text)
				}
				if strings.Contains(a.text, "s3cr3t") {
					t.Errorf("it contains a secret: %s", a.text)
				}
			}
		})
	}
	t.Run("the cause of service_unavailable is logged and not shown", func(t *testing.T) {
		w := newWorld(t)
		w.create = func(
			context.Context, minigroup.CreateRequest, time.Duration,
		) (minigroup.Minigroup, minigroup.Outcome, error) {
			return minigroup.Minigroup{}, minigroup.OutcomeDone, fmt.Errorf(
				"%w: %w", minigroup.Errorf(minigroup.ServiceUnavailable, "Temporal is out of reach"), errors.New("s3cr3t"),
			)
		}
		a := w.call(t, http.MethodPost, minigroups, lesson).
			wantProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
		if strings.Contains(a.text, "s3cr3t") {
			t.Errorf("it contains a secret: %s", a.text)
		}
		if logged := w.logs.FilterMessage("request failed").All(); len(logged) != 1 ||
			!strings.Contains(fmt.Sprint(logged[0].ContextMap()["error"]), "s3cr3t") {
			t.Errorf("logs are %v", w.logs.All())
		}
	})
	t.Run("a refusal names the upstream and its error type", func(t *testing.T) {
		w := newWorld(t)
		w.create = func(
			context.Context, minigroup.CreateRequest, time.Duration,
		) (minigroup.Minigroup, minigroup.Outcome, error) {
			return minigroup.Minigroup{}, minigroup.OutcomeDone, &minigroup.Error{
				Kind: minigroup.UpstreamRefused, Detail: "x", Upstream: "conference", UpstreamType: "invalid_payload",
			}
		}
		a := w.call(t, http.MethodPost, minigroups, lesson).
			wantProblem(http.StatusUnprocessableEntity, minigroup.UpstreamRefused)
		if fmt.Sprint(a.body["upstream"]) != "map[name:conference type:invalid_payload]" {
			t.Error(a.text)
		}
	})
}
