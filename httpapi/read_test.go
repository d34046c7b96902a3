package httpapi

import (
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// filled returns a ready minigroup with every field set.
func filled() minigroup.Minigroup {
	return minigroup.Minigroup{
		Draft: minigroup.Draft{
			Audience: "example.org", Scope: "math-7b", Host: "teacher.example.org",
			Time: minigroup.Window{Start: new(int64(4102444800)), End: new(int64(4102448400))},
			Tags: []byte(`{"course":"<math>","n":9223372036854775807}`), Reserve: new(int32(8)), LockedChat: true,
			LockedQuestions: true,
			Properties:      []byte(`{"p":{"q":"<b>"},"n":1,"z":null}`),
		},
		ID:               minigroup.NewClassID("example.org", "math-7b"),
		State:            minigroup.Ready,
		CreatedAt:        time.Unix(1_700_000_000, 999),
		EventRoomID:      uuid.MustParse("11111111-1111-4111-8111-111111111111"),
		ConferenceRoomID: uuid.MustParse("22222222-2222-4222-8222-222222222222"),
		Update: &minigroup.Update{
			State: minigroup.UpdateFailed,
			Requested: minigroup.Change{
				Time:    &minigroup.Window{Start: new(int64(1)), End: new(int64(2))},
				Reserve: new(int32(9)), Host: new("a.b.c"),
			},
			Failure: &minigroup.Failure{
				Kind: minigroup.UpstreamRefused, Detail: "no", Upstream: "conference", UpstreamType: "room_closed",
				FailedAt: time.Unix(1_700_000_001, 0),
			},
		},
	}
}

func TestRead(t *testing.T) {
	w := newWorld(t)
	w.put(filled())
	byID := "/api/v1/minigroups/" + filled().ID.String()

	t.Run("returns every field", func(t *testing.T) {
		a := w.call(t, http.MethodGet, byID, "").wantStatus(http.StatusOK)
		want := map[string]any{
			"id": "math-7b", "class_id": filled().ID.String(), "audience": "example.org", "scope": "math-7b",
			"host": "teacher.example.org",
			"time": []any{4102444800.0, 4102448400.0}, "tags": map[string]any{"course": "<math>", "n": float64(1 << 63)},
			"reserve": 8.0, "locked_chat": true, "locked_questions": true, "status": "real-time", "timed_out": false,
			"created_at": 1700000000.0,
			"content_id": filled().ID.String(), "turn_host": "turn2.example.org",
			"properties": map[string]any{}, "account_properties": map[string]any{},
			"real_time": map[string]any{
				"event_room_id":      "11111111-1111-4111-8111-111111111111",
				"conference_room_id": "22222222-2222-4222-8222-222222222222", "host": "teacher.example.org",
			},
			"update": map[string]any{
				"state":     "failed",
				"requested": map[string]any{"time": []any{1.0, 2.0}, "reserve": 9.0, "host": "a.b.c"},
				"failure": map[string]any{
					"type": "upstream_refused", "title": "Upstream refused", "detail": "no", "failed_at": 1700000001.0,
					"upstream": map[string]any{"name": "conference", "type": "room_closed"},
				},
			},
		}
		if !reflect.DeepEqual(a.body, want) {
			t.Errorf("got  %v\nwant %v", a.body, want)
		}
		if !strings.Contains(a.text, `{"course":"<math>","n":9223372036854775807}`) {
			t.Errorf("the tags are not returned as written: %s", a.text)
		}
	})
	t.Run("both routes return the same", func(t *testing.T) {
		one := w.call(t, http.MethodGet, byID, "")
		other := w.call(t, http.MethodGet, "/api/v1/audiences/example.org/minigroups/math-7b", "")
		if other.wantStatus(http.StatusOK).text != one.text {
			t.Errorf("by id %s\nby scope %s", one.text, other.text)
		}
	})
	t.Run("HEAD returns the same without the body", func(t *testing.T) {
		if a := w.call(t, http.MethodHead, byID, "").wantStatus(http.StatusOK); a.text != "" {
			t.Errorf("it has a body: %s", a.text)
		}
	})
	t.Run("a minigroup that does not exist is not found", func(t *testing.T) {
		for _, path := range []string{
			"/api/v1/minigroups/" + uuid.NewString(),
			"/api/v1/minigroups/no-uuid",
			"/api/v1/minigroups/%00",
			"/api/v1/minigroups/urn:uuid:" + filled().ID.String(),
			"/api/v1/minigroups/%7B" + filled().ID.String() + "%7D",
			"/api/v1/audiences/example.org/minigroups/other",
			"/api/v1/audiences/example.org/minigroups/%ff",
			"/api/v1/audiences/example.org/minigroups/%00",
		} {
			w.call(t, http.MethodGet, path, "").wantProblem(http.StatusNotFound, minigroup.ClassNotFound)
		}
	})
	t.Run("an audience without a policy, which the path names, is denied", func(t *testing.T) {
		for _, path := range []string{
			"/api/v1/audiences/other/minigroups/math-7b", "/api/v1/audiences//minigroups/math-7b",
			"/api/v1/audiences/%ff/minigroups/math-7b",
		} {
			w.call(t, http.MethodGet, path, "").wantProblem(http.StatusForbidden, minigroup.AccessDenied)
		}
	})
	t.Run("without a database the problem is transient, and the cause is logged once", func(t *testing.T) {
		w := newWorld(t)
		w.readErr = errors.New("dial tcp 10.0.0.1:5432: refused")
		a := w.call(t, http.MethodGet, byID, "").wantProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable).
			wantHeader("Retry-After", "5")
		if a.body["is_transient"] != true {
			t.Error("it is not transient")
		}
		if len(w.logs.FilterMessage("request failed").All()) != 1 {
			t.Errorf("logs are %v", w.logs.All())
		}
	})
}

func TestScopesInPaths(t *testing.T) {
	w := newWorld(t)
	for _, scope := range []string{
		"a/b", "/", "a b", "математика 7б", "100%", "a%2Fb", "%2F", "a+b", "+", "a?b#c", "..", ".", "a//b", "a;b=c", `a"\b`,
		"😀", "%zz", ":scope", "*",
	} {
		t.Run(scope, func(t *testing.T) {
			m := filled()
			m.Scope, m.Audience = scope, "open.example"
			w.put(m)
			path := "/api/v1/audiences/open.example/minigroups/" + url.PathEscape(scope)
			if got := w.call(t, http.MethodGet, path, "").wantStatus(http.StatusOK).body["scope"]; got != scope {
				t.Errorf("got scope %v", got)
			}
			w.call(t, http.MethodPut, path, "{}").wantStatus(http.StatusOK)
		})
	}
	t.Run("a plus may be sent unencoded", func(t *testing.T) {
		w.call(t, http.MethodGet, "/api/v1/audiences/open.example/minigroups/a+b", "").wantStatus(http.StatusOK)
	})
}

func TestStates(t *testing.T) {
	failure := &minigroup.Failure{Kind: "retired_kind", Detail: "why", FailedAt: time.Unix(5, 0)}
	for name, c := range map[string]struct {
		change          func(*minigroup.Minigroup)
		status          string
		present, absent []string
	}{
		"creating has no rooms": {
			change: func(m *minigroup.Minigroup) { m.State, m.Update = minigroup.Creating, nil },
			status: "creating", absent: []string{"real_time", "failure", "update"},
		},
		"undoing reads as creating": {
			change: func(m *minigroup.Minigroup) { m.State, m.Failure = minigroup.Undoing, failure },
			status: "creating", absent: []string{"real_time", "failure"},
		},
		"failed has its failure, even of a retired kind": {
			change: func(m *minigroup.Minigroup) { m.State, m.Failure = minigroup.Failed, failure },
			status: "failed", present: []string{"failure"}, absent: []string{"real_time"},
		},
		"closed keeps its rooms": {
			change: func(m *minigroup.Minigroup) { m.Time.Start, m.Time.End = nil, new(int64(1)) },
			status: "closed", present: []string{"real_time"}, absent: []string{"failure"},
		},
		"a requested update is running": {
			change: func(m *minigroup.Minigroup) { m.Update.State, m.Update.Failure = minigroup.UpdateRequested, nil },
			status: "real-time", present: []string{"real_time", "update"}, absent: []string{"failure"},
		},
		"a finished update is not shown": {
			change: func(m *minigroup.Minigroup) { m.Update.State = minigroup.UpdateDone },
			status: "real-time", absent: []string{"update"},
		},
		"unset fields are absent": {
			change: func(m *minigroup.Minigroup) { m.Tags, m.Reserve, m.Time = nil, nil, minigroup.Window{} },
			status: "real-time", present: []string{"time"}, absent: []string{"tags", "reserve"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m := filled()
			c.change(&m)
			w.put(m)
			a := w.call(t, http.MethodGet, "/api/v1/minigroups/"+m.ID.String(), "").wantStatus(http.StatusOK)
			if a.body["status"] != c.status {
				t.Errorf("status is %v, want %s", a.body["status"], c.status)
			}
			for _, member := range c.present {
				if _, ok := a.body[member]; !ok {
					t.Errorf("%s is missing: %s", member, a.text)
				}
			}
			for _, member := range c.absent {
				if _, ok := a.body[member]; ok {
					t.Errorf("%s is present: %s", member, a.text)
				}
			}
			if update, ok := a.body["update"].(map[string]any); ok && m.Update.State == minigroup.UpdateRequested &&
				update["state"] != "running" {
				t.Errorf("the update is %v", update["state"])
			}
		})
	}
}

func TestHealth(t *testing.T) {
	w := newWorld(t)
	t.Run("alive without a token", func(t *testing.T) {
		w.call(t, http.MethodGet, "/healthz", "", "Authorization", "").wantStatus(http.StatusOK)
	})
	t.Run("ready if Temporal is unavailable", func(t *testing.T) {
		w.temporal = "unavailable"
		a := w.call(t, http.MethodGet, "/readyz", "", "Authorization", "").wantStatus(http.StatusOK)
		if a.body["temporal"] != "unavailable" || a.body["broker"] != "not configured" {
			t.Error(a.text)
		}
		if _, shown := a.body["worker"]; shown {
			t.Errorf("a process without a worker shows %s", a.text)
		}
	})
	t.Run("ready if its worker does not poll", func(t *testing.T) {
		w := newWorld(t)
		w.worker = "does not poll Temporal"
		a := w.call(t, http.MethodGet, "/readyz", "", "Authorization", "").wantStatus(http.StatusOK)
		if a.body["worker"] != w.worker {
			t.Error(a.text)
		}
	})
	t.Run("not ready while the process is shutting down", func(t *testing.T) {
		w := newWorld(t)
		close(w.draining)
		w.call(t, http.MethodGet, "/readyz", "", "Authorization", "").
			wantProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
		w.call(t, http.MethodGet, "/healthz", "", "Authorization", "").wantStatus(http.StatusOK)
	})
	t.Run("not ready without a database, and its address is only logged", func(t *testing.T) {
		w.ready = errors.New("postgres://user:password@db")
		a := w.call(t, http.MethodGet, "/readyz", "", "Authorization", "").
			wantProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
		if detail, _ := a.body["detail"].(string); detail == "" || len(w.logs.FilterMessage("not ready").All()) != 1 {
			t.Errorf("detail %q, logs %v", detail, w.logs.All())
		}
	})
}
