package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"minigroups/minigroup"
)

const (
	minigroups = "/api/v1/minigroups"
	lesson     = `{"scope":"math-7b","audience":"example.org","host":"teacher.example.org","time":[4102444800,4102448400],
		"tags":{"course":{"n":[1,"<b>"]}},"reserve":8,"locked_chat":true,"from_a_newer_frontend":1}`
)

func (w *world) createAs(outcome minigroup.Outcome, state minigroup.State) {
	create := w.create
	w.create = func(
		ctx context.Context, request minigroup.CreateRequest, wait time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error) {
		m, _, err := create(ctx, request, wait)
		m.State = state
		return m, outcome, err
	}
}

func TestCreate(t *testing.T) {
	path := minigroups + "/" + minigroup.NewClassID("example.org", "math-7b").String()

	t.Run("returns every field, as a read does", func(t *testing.T) {
		w := newWorld(t)
		a := w.call(t, http.MethodPost, minigroups, lesson).wantStatus(http.StatusCreated).wantHeader("Location", path)
		for member, want := range map[string]any{
			"id": "math-7b", "scope": "math-7b", "audience": "example.org", "host": "teacher.example.org",
			"time": []any{4102444800.0, 4102448400.0},
			"tags": map[string]any{"course": map[string]any{"n": []any{1.0, "<b>"}}}, "reserve": 8.0, "locked_chat": true,
			"status": "real-time",
		} {
			if fmt.Sprint(a.body[member]) != fmt.Sprint(want) {
				t.Errorf("%s is %v, want %v", member, a.body[member], want)
			}
		}
		if read := w.call(t, http.MethodGet, path, "").wantStatus(http.StatusOK); read.text != a.text {
			t.Errorf("created %s\nread    %s", a.text, read.text)
		}
	})
	t.Run("an existing minigroup is 200 without Location", func(t *testing.T) {
		w := newWorld(t)
		w.createAs(minigroup.OutcomeExisting, minigroup.Ready)
		w.call(t, http.MethodPost, minigroups, lesson).wantStatus(http.StatusOK).wantHeader("Location", "")
	})
	t.Run("a create in progress is 202 with Location and Retry-After", func(t *testing.T) {
		w := newWorld(t)
		w.createAs(minigroup.OutcomeAccepted, minigroup.Creating)
		a := w.call(t, http.MethodPost, minigroups, lesson).wantStatus(http.StatusAccepted).wantHeader("Location", path).
			wantHeader("Retry-After", "2")
		if a.body["status"] != "creating" || a.body["real_time"] != nil {
			t.Error(a.text)
		}
	})
	t.Run("an equal request after the end has passed returns the minigroup and starts nothing", func(t *testing.T) {
		const expired = `{"scope":"math-7b","audience":"example.org","host":"teacher.example.org","time":[null,1700000000]}`
		draft, err := decodeDraft([]byte(expired), 0)
		noError(t, err)
		m := filled()
		m.Draft, m.Fingerprint, m.Update = draft, fingerprint(draft), nil
		for name, c := range map[string]struct {
			state  minigroup.State
			body   string
			status int
		}{
			"ready":         {minigroup.Ready, expired, http.StatusOK},
			"being created": {minigroup.Creating, expired, http.StatusAccepted},
			"failed":        {minigroup.Failed, expired, http.StatusBadRequest},
			"another": {
				minigroup.Ready, strings.Replace(expired, "teacher", "another", 1), http.StatusBadRequest,
			},
			"absent": {"", expired, http.StatusBadRequest},
			"ready, with more errors": {
				minigroup.Ready, strings.Replace(expired, `"host"`, `"reserve":-1,"host"`, 1), http.StatusBadRequest,
			},
		} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				if m.State = c.state; c.state != "" {
					w.put(m)
				}
				a := w.call(t, http.MethodPost, minigroups, c.body).wantStatus(c.status)
				if w.startedSagas() != 0 || (c.status == http.StatusOK && a.body["status"] != "closed") ||
					(c.status == http.StatusBadRequest && !strings.Contains(a.text, "time[1]")) {
					t.Errorf("%d sagas were started; %s", w.startedSagas(), a.text)
				}
			})
		}
	})
	t.Run("a request with a stored key after the end has passed returns the stored response", func(t *testing.T) {
		const expired = `{"scope":"math-7b","audience":"example.org","host":"teacher.example.org","time":[null,1700000000]}`
		draft, err := decodeDraft([]byte(expired), 0)
		noError(t, err)
		w := newWorld(t)
		key := minigroup.NewRequestKey("teacher", "example.org", "k", "POST "+minigroups, fingerprint(draft))
		m := filled()
		m.Update = nil
		body, err := json.Marshal((&server{}).toObject(m, time.Now()))
		noError(t, err)
		w.keys[key.ID] = storedKey{key.Fingerprint, &minigroup.Answer{
			Status: http.StatusCreated, Location: minigroups + "/" + m.ID.String(), ETag: `"` + strings.Repeat("e", 32) + `"`,
			Body: body,
		}}
		a := w.call(t, http.MethodPost, minigroups, expired, "Idempotency-Key", "k").wantStatus(http.StatusCreated)
		if a.text != string(body) {
			t.Error(a.text)
		}
	})
	t.Run("an audience without a policy is refused and nothing is started", func(t *testing.T) {
		w := newWorld(t)
		w.call(t, http.MethodPost, minigroups, strings.Replace(lesson, `"example.org"`, `"other.example"`, 1)).
			wantProblem(http.StatusForbidden, minigroup.AccessDenied)
		if w.startedSagas() != 0 {
			t.Error("a saga was started")
		}
	})
}
