package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"minigroups/auth"
	"minigroups/minigroup"
)

const historyPath = "/history"

// worldWithHistory has a minigroup with n entries of history, one for each kind in turn.
func worldWithHistory(t *testing.T, n int, settings ...func(*Deps)) (*world, string) {
	t.Helper()
	w := newWorld(t, settings...)
	m := filled()
	w.put(m)
	requesters := []minigroup.Requester{
		{
			Account: minigroup.Account{Label: "teacher", Audience: "example.org"}, Reason: "why", RequestID: "request-1",
			TraceID: "4bf92f3577b34da6a3ce929d0e0e4736",
		},
		{Operator: "ada", Reason: "on call"}, {},
	}
	kinds := minigroup.HistoryKinds()
	for i := range n {
		w.history[m.ID] = append(w.history[m.ID], minigroup.HistoryEntry{
			Number: int64(100 * (i + 1)), Kind: kinds[i%len(kinds)], At: time.Unix(1795472814+int64(i), 0),
			By: requesters[i%len(requesters)], Run: fmt.Sprintf("run-%d", i), Details: json.RawMessage(`{"a":1}`),
		})
	}
	return w, minigroups + "/" + m.ID.String() + historyPath
}

func TestHistory(t *testing.T) {
	t.Run("an entry says what, when, who and why", func(t *testing.T) {
		w, path := worldWithHistory(t, 3, func(d *Deps) {
			d.RunLink = func(m minigroup.Minigroup, run string) string { return "http://ui/" + m.Scope + "/" + run }
			d.TraceLink = func(trace string) string { return strings.Repeat("http://traces/", min(len(trace), 1)) + trace }
		})
		a := w.call(t, http.MethodGet, path, "").wantStatus(http.StatusOK).wantHeader("Cache-Control", "no-store")
		entry := func(i int, kind string, by, links map[string]any) map[string]any {
			return map[string]any{
				"kind": kind, "at": 1795472814.0 + float64(i), "by": by, "run_id": fmt.Sprintf("run-%d", i),
				"details": map[string]any{"a": 1.0}, "erased": false, "links": links,
			}
		}
		want := []any{
			entry(2, "create_done", map[string]any{"kind": "service"},
				map[string]any{"run": "http://ui/math-7b/run-2"}),
			entry(1, "create_retried", map[string]any{"kind": "operator", "operator": "ada", "reason": "on call"},
				map[string]any{"run": "http://ui/math-7b/run-1"}),
			entry(0, "create_requested", map[string]any{
				"kind": "account", "label": "teacher", "audience": "example.org", "reason": "why", "request_id": "request-1",
				"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
			}, map[string]any{
				"run": "http://ui/math-7b/run-0", "trace": "http://traces/4bf92f3577b34da6a3ce929d0e0e4736",
			}),
		}
		if !reflect.DeepEqual(a.body["entries"], want) || a.body["next"] != nil {
			t.Errorf("got  %s\nwant %v", a.text, want)
		}
	})
	t.Run("without addresses there are no links", func(t *testing.T) {
		w, path := worldWithHistory(t, 1)
		if a := w.call(t, http.MethodGet, path, ""); strings.Contains(a.text, "links") {
			t.Error(a.text)
		}
	})
	t.Run("pages follow each other until there is no next", func(t *testing.T) {
		w, path := worldWithHistory(t, 7)
		var times []float64
		var sizes []int
		for cursor := ""; ; {
			a := w.call(t, http.MethodGet, path+"?limit=3&cursor="+url.QueryEscape(cursor), "").wantStatus(http.StatusOK)
			entries, _ := a.body["entries"].([]any)
			sizes = append(sizes, len(entries))
			for _, e := range entries {
				times = append(times, e.(map[string]any)["at"].(float64))
			}
			next, more := a.body["next"].(string)
			if !more {
				break
			}
			cursor = next
		}
		if !slices.Equal(sizes, []int{3, 3, 1}) || !slices.IsSortedFunc(times, func(a, b float64) int { return int(b - a) }) {
			t.Errorf("pages of %v, at %v", sizes, times)
		}
	})
	t.Run("the last page is full and has no next", func(t *testing.T) {
		w, path := worldWithHistory(t, 3)
		if a := w.call(t, http.MethodGet, path+"?limit=3", ""); a.body["next"] != nil {
			t.Error(a.text)
		}
	})
	t.Run("a page is bounded by default", func(t *testing.T) {
		w, path := worldWithHistory(t, defaultPage+1)
		a := w.call(t, http.MethodGet, path, "")
		if entries, _ := a.body["entries"].([]any); len(entries) != defaultPage || a.body["next"] == nil {
			t.Errorf("%d entries, next is %v", len(entries), a.body["next"])
		}
	})
	t.Run("a class without history has none", func(t *testing.T) {
		w, path := worldWithHistory(t, 0)
		a := w.call(t, http.MethodGet, path, "").wantStatus(http.StatusOK)
		if strings.TrimSpace(a.text) != `{"entries":[],"waiting":[]}` {
			t.Error(a.text)
		}
	})
	t.Run("invalid parameters are listed", func(t *testing.T) {
		w, path := worldWithHistory(t, 1)
		for query, field := range map[string]string{
			"limit=0": "limit", "limit=201": "limit", "limit=x": "limit", "cursor=x": "cursor", "cursor=LTE": "cursor",
			"cursor=MA": "cursor", "cursor=MQ==": "cursor", "%": "query",
		} {
			a := w.call(t, http.MethodGet, path+"?"+query, "").wantProblem(http.StatusBadRequest, minigroup.InvalidPayload)
			if !strings.Contains(a.text, `"field":"`+field+`"`) {
				t.Errorf("%s: %s", query, a.text)
			}
		}
	})
	t.Run("a database that is away is unavailable", func(t *testing.T) {
		w, path := worldWithHistory(t, 1)
		w.historyErr = errors.New("away")
		w.call(t, http.MethodGet, path, "").wantProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
	})
}

// TestARightToTheHistoryIsEnough grants nothing but the history.
func TestARightToTheHistoryIsEnough(t *testing.T) {
	w, path := worldWithHistory(t, 1, func(d *Deps) {
		d.Authorizer = newAuthorizer(t, auth.Policy{Kind: auth.PolicyLocalWhitelist, Records: []auth.Record{
			{Subject: "teacher.example.org", Object: []string{"classrooms", filled().ID.String()}, Action: "history"},
		}})
	})
	w.call(t, http.MethodGet, path, "").wantStatus(http.StatusOK)
	w.call(t, http.MethodGet, strings.TrimSuffix(path, historyPath), "").
		wantProblem(http.StatusNotFound, minigroup.ClassNotFound)
}

// TestEveryKindOfHistoryIsDescribed compares the kinds with those that openapi.yaml lists.
func TestEveryKindOfHistoryIsDescribed(t *testing.T) {
	described := readDocument(t).Components.Schemas.HistoryKind.Enum
	var kinds []string
	for _, kind := range minigroup.HistoryKinds() {
		kinds = append(kinds, string(kind))
	}
	if !slices.Equal(described, kinds) {
		t.Errorf("described are %q\nthe kinds are %q", described, kinds)
	}
}
