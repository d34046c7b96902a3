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
			Time: &minigroup.Window{Start: new(int64(4102444800))}, Recreate: &minigroup.Recreation{LockedChat: new(false), LockedQuestions: new(true)},
		},
	} {
		t.Run(body+" asks for new rooms", func(t *testing.T) {
			w := newWorld(t)
			m := filled()
			m.Update = nil
			w.put(m)
			var got minigroup.Change
			update := w.update
			w.update = func(ctx context.Context, m minigroup.Minigroup, c minigroup.Change, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
				got = c
				return update(ctx, m, c, wait)
			}
			w.call(t, http.MethodPost, path, body).wants(http.StatusOK)
			if got.Fingerprint() != want.Fingerprint() || got.Recreate == nil {
				t.Errorf("got %+v", got)
			}
		})
	}
	t.Run("on a condition, which is looked at again", func(t *testing.T) {
		w := newWorld(t)
		m := filled()
		m.Revision = 7
		w.put(m)
		var got minigroup.Change
		w.update = func(_ context.Context, m minigroup.Minigroup, c minigroup.Change, _ time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
			got = c
			return m, minigroup.OutcomeDone, nil
		}
		w.call(t, http.MethodPost, path, `{}`, "If-Match", `"x"`).wantsProblem(http.StatusPreconditionFailed, minigroup.PreconditionFailed)
		tag := w.call(t, http.MethodGet, strings.TrimSuffix(path, "/recreate"), "").header.Get("ETag")
		w.call(t, http.MethodPost, path, `{}`, "If-Match", tag).wants(http.StatusOK)
		if w.sagas() != 1 || got.Revision == nil || *got.Revision != 7 {
			t.Errorf("%d sagas, the last for %+v", w.sagas(), got)
		}
	})
	t.Run("one that goes on is told", func(t *testing.T) {
		w := newWorld(t)
		m := filled()
		w.put(m)
		w.update = func(_ context.Context, m minigroup.Minigroup, c minigroup.Change, _ time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
			m.Update = &minigroup.Update{State: minigroup.UpdateRunning, Requested: c}
			return m, minigroup.OutcomeAccepted, nil
		}
		a := w.call(t, http.MethodPost, path, `{"locked_chat":true}`, "Prefer", "respond-async").wants(http.StatusAccepted).wantsHeader("Retry-After", "2")
		update, _ := a.body["update"].(map[string]any)
		requested, _ := update["requested"].(map[string]any)
		if recreate, _ := requested["recreate"].(map[string]any); recreate["locked_chat"] != true {
			t.Error(a.text)
		}
	})
	t.Run("bad input is a problem and starts nothing", func(t *testing.T) {
		w := newWorld(t)
		w.put(filled())
		for _, body := range []string{`[]`, `{"time":[5,3]}`, `{"time":[null,1]}`, `{"locked_chat":1}`} {
			w.call(t, http.MethodPost, path, body).wantsProblem(http.StatusBadRequest, minigroup.InvalidPayload)
		}
		if w.sagas() != 0 {
			t.Errorf("%d sagas were started", w.sagas())
		}
	})
	t.Run("what is not there is not found", func(t *testing.T) {
		newWorld(t).call(t, http.MethodPost, path, `{}`).wantsProblem(http.StatusNotFound, minigroup.ClassNotFound)
	})
}
