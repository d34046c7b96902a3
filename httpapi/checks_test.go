package httpapi

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"minigroups/minigroup"
)

func TestInvalidRequestsStartNothing(t *testing.T) {
	w := newWorld(t)
	for name, body := range map[string]string{
		"an array":                    `[]`,
		"an open brace":               `{`,
		"time [5,3]":                  with(`"time":[5,3]`),
		"time [1.5,2]":                with(`"time":[1.5,2]`),
		"time [1.0,2.0]":              with(`"time":[1.0,2.0]`),
		"an end in the past":          with(`"time":[null,1]`),
		"reserve -1":                  with(`"reserve":-1`),
		"reserve 2147483648":          with(`"reserve":2147483648`),
		"an empty scope":              `{"scope":"","audience":"a","host":"h"}`,
		"host missing":                `{"scope":"s","audience":"a"}`,
		"tags as array":               with(`"tags":[]`),
		"NUL deep in tags":            with(`"tags":{"a":[{"b":"\u0000"}]}`),
		"a lone surrogate in tags":    with(`"tags":{"a":[{"b":"\ud800"}]}`),
		"a nesting of 1,000":          with(`"tags":{"a":` + nested(1000) + `}`),
		"a nesting of 1,000 brackets": nested(1000),
	} {
		t.Run(name, func(t *testing.T) {
			a := w.call(t, http.MethodPost, minigroups, body).wantProblem(http.StatusBadRequest, minigroup.InvalidPayload)
			if errs, _ := a.body["errors"].([]any); len(errs) == 0 {
				t.Errorf("it lists no errors: %s", a.text)
			}
		})
	}
	t.Run("a body of 1 MiB is too large", func(t *testing.T) {
		w.call(t, http.MethodPost, minigroups, with(`"tags":{"a":"`+strings.Repeat("x", 1<<20)+`"}`)).
			wantProblem(http.StatusRequestEntityTooLarge, minigroup.PayloadTooLarge)
		w.call(t, http.MethodPost, minigroups, nested(50_000)).
			wantProblem(http.StatusRequestEntityTooLarge, minigroup.PayloadTooLarge)
	})
	t.Run("a body of 64 KiB is accepted, and one byte more is too large", func(t *testing.T) {
		w := newWorld(t)
		body := lesson + strings.Repeat(" ", maxBodyBytes-len(lesson))
		w.call(t, http.MethodPost, minigroups, body+" ").
			wantProblem(http.StatusRequestEntityTooLarge, minigroup.PayloadTooLarge)
		w.call(t, http.MethodPost, minigroups, body).wantStatus(http.StatusCreated)
	})
	t.Run("a body that is not declared as JSON", func(t *testing.T) {
		for _, contentType := range []string{
			"", "text/plain", "application/x-www-form-urlencoded", "application/problem+json", "application/json; =", "json",
			"application/json; charset=utf-16",
		} {
			w.call(t, http.MethodPost, minigroups, lesson, "Content-Type", contentType).
				wantProblem(http.StatusUnsupportedMediaType, minigroup.UnsupportedMediaType)
		}
	})
	t.Run("a body with a content encoding", func(t *testing.T) {
		for _, coding := range []string{"gzip", "br", "identity, gzip"} {
			w.call(t, http.MethodPost, minigroups, lesson, "Content-Encoding", coding).
				wantProblem(http.StatusUnsupportedMediaType, minigroup.UnsupportedMediaType).
				wantHeader("Accept-Encoding", "identity")
		}
	})
	if w.startedSagas() != 0 {
		t.Errorf("%d sagas were started", w.startedSagas())
	}
	t.Run("a body without Content-Length", func(t *testing.T) {
		for body, status := range map[string]int{
			lesson: http.StatusCreated, strings.Repeat(" ", maxBodyBytes+1): http.StatusRequestEntityTooLarge,
		} {
			req, err := http.NewRequestWithContext(
				t.Context(), http.MethodPost, w.url+minigroups, io.MultiReader(strings.NewReader(body)),
			)
			noError(t, err)
			req.Header.Set("Authorization", "Bearer "+w.token)
			req.Header.Set("Content-Type", "application/json")
			resp, err := http.DefaultClient.Do(req)
			noError(t, err)
			_ = resp.Body.Close()
			if resp.StatusCode != status {
				t.Errorf("got %d, want %d", resp.StatusCode, status)
			}
		}
	})
	t.Run("content type parameters are accepted", func(t *testing.T) {
		w.call(t, http.MethodPost, minigroups, lesson,
			"Content-Type", "Application/JSON; charset=UTF-8", "Content-Encoding", "identity",
		).wantStatus(http.StatusCreated)
	})
}

func TestOrderOfChecks(t *testing.T) {
	w := newWorld(t)
	huge := strings.Repeat("[", 1<<17)
	for _, route := range []struct{ method, path string }{
		{http.MethodPost, minigroups},
		{http.MethodPut, minigroups + "/no-uuid"},
		{http.MethodPost, minigroups + "/no-uuid/recreate"},
		{http.MethodPut, "/api/v1/audiences/a/minigroups/s"},
	} {
		w.call(t, route.method, route.path, huge, "Authorization", "", "Content-Type", "").
			wantProblem(http.StatusUnauthorized, minigroup.NoAuthenticationToken)
		w.call(t, route.method, route.path, huge, "Content-Type", "").
			wantProblem(http.StatusUnsupportedMediaType, minigroup.UnsupportedMediaType)
		w.call(t, route.method, route.path, huge).wantProblem(http.StatusRequestEntityTooLarge, minigroup.PayloadTooLarge)
		w.call(t, route.method, route.path, `[]`).wantProblem(http.StatusBadRequest, minigroup.InvalidPayload)
	}
	w.call(t, http.MethodPut, minigroups+"/no-uuid", `{}`).wantProblem(http.StatusNotFound, minigroup.ClassNotFound)
	w.call(t, http.MethodPost, minigroups, `{"scope":"s","audience":"unknown","host":""}`).
		wantProblem(http.StatusBadRequest, minigroup.InvalidPayload)
}
