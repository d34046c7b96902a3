package httpapi

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"minigroups/minigroup"
)

func TestRecreate(t *testing.T) {
	path := minigroups + "/" + filled().ID.String() + "/recreate"
	for body, want := range map[string]minigroup.Change{
		`{}`: {Recreate: &minigroup.Recreation{}},
		`{"time":null,"locked_chat":null,"locked_questions":null,"reserve":3}`: {Recreate: &minigroup.Recreation{}},
		`{"time":[4102444800,null],"locked_chat":false,"locked_questions":true}`: {
			Time:     &minigroup.Window{Start: new(int64(4102444800))},
			Recreate: &minigroup.Recreation{LockedChat: new(false), LockedQuestions: new(true)},
		},
	} {
		t.Run(body+" requests new rooms", func(t *testing.T) {
			w := newWorld(t)
			m := filled()
			m.Update = nil
			w.put(m)
			var got minigroup.Change
			update := w.update
			w.update = func(
				ctx context.Context, m minigroup.Minigroup, c minigroup.Change, wait time.Duration,
			) (minigroup.Minigroup, minigroup.Outcome, error) {
				got = c
				return update(ctx, m, c, wait)
			}
			w.call(t, http.MethodPost, path, body).wantStatus(http.StatusOK)
			if got.Fingerprint() != want.Fingerprint() || got.Recreate == nil {
				t.Errorf("got %+v", got)
			}
		})
	}
	t.Run("a condition is passed on to the saga", func(t *testing.T) {
		w := newWorld(t)
		m := filled()
		m.Revision = 7
		w.put(m)
		var got minigroup.Change
		w.update = func(
			_ context.Context, m minigroup.Minigroup, c minigroup.Change, _ time.Duration,
		) (minigroup.Minigroup, minigroup.Outcome, error) {
			got = c
			return m, minigroup.OutcomeDone, nil
		}
		w.call(t, http.MethodPost, path, `{}`, "If-Match", `"x"`).
			wantProblem(http.StatusPreconditionFailed, minigroup.PreconditionFailed)
		tag := w.call(t, http.MethodGet, strings.TrimSuffix(path, "/recreate"), "").header.Get("ETag")
		w.call(t, http.MethodPost, path, `{}`, "If-Match", tag).wantStatus(http.StatusOK)
		if w.startedSagas() != 1 || got.Revision == nil || *got.Revision != 7 {
			t.Errorf("%d sagas, the last for %+v", w.startedSagas(), got)
		}
	})
	t.Run("a recreate in progress is 202 and shows the requested change", func(t *testing.T) {
		w := newWorld(t)
		m := filled()
		w.put(m)
		w.update = func(
			_ context.Context, m minigroup.Minigroup, c minigroup.Change, _ time.Duration,
		) (minigroup.Minigroup, minigroup.Outcome, error) {
			m.Update = &minigroup.Update{State: minigroup.UpdateRunning, Requested: c}
			return m, minigroup.OutcomeAccepted, nil
		}
		a := w.call(t, http.MethodPost, path, `{"locked_chat":true}`, "Prefer", "respond-async").
			wantStatus(http.StatusAccepted).wantHeader("Retry-After", "2")
		update, _ := a.body["update"].(map[string]any)
		requested, _ := update["requested"].(map[string]any)
		if recreate, _ := requested["recreate"].(map[string]any); recreate["locked_chat"] != true {
			t.Error(a.text)
		}
	})
	t.Run("an invalid body starts nothing", func(t *testing.T) {
		w := newWorld(t)
		w.put(filled())
		for _, body := range []string{`[]`, `{"time":[5,3]}`, `{"time":[null,1]}`, `{"locked_chat":1}`} {
			w.call(t, http.MethodPost, path, body).wantProblem(http.StatusBadRequest, minigroup.InvalidPayload)
		}
		if w.startedSagas() != 0 {
			t.Errorf("%d sagas were started", w.startedSagas())
		}
	})
	t.Run("a minigroup that does not exist is not found", func(t *testing.T) {
		newWorld(t).call(t, http.MethodPost, path, `{}`).wantProblem(http.StatusNotFound, minigroup.ClassNotFound)
	})
}
