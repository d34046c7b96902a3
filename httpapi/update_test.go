package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"minigroups/minigroup"
)

func TestUpdate(t *testing.T) {
	path := minigroups + "/" + filled().ID.String()
	byScope := "/api/v1/audiences/example.org/minigroups/math-7b"
	prepare := func(t *testing.T) *world {
		w := newWorld(t)
		m := filled()
		m.Update = nil
		w.put(m)
		return w
	}
	t.Run("both routes change the fields in the body and no others", func(t *testing.T) {
		for _, path := range []string{path, byScope} {
			w := prepare(t)
			before := w.call(t, http.MethodGet, path, "").body
			a := w.call(t, http.MethodPut, path, `{"time":[4102444801,null],"reserve":0,"host":"web.teacher.example.org"}`).
				wantStatus(http.StatusOK)
			changed := fmt.Sprintf("%v %v %v", a.body["time"], a.body["reserve"], a.body["host"])
			if changed != "[4.102444801e+09 <nil>] 0 web.teacher.example.org" {
				t.Error(a.text)
			}
			for _, member := range []string{"id", "class_id", "tags", "locked_chat", "created_at", "status"} {
				if fmt.Sprint(a.body[member]) != fmt.Sprint(before[member]) {
					t.Errorf("%s was %v, is %v", member, before[member], a.body[member])
				}
			}
		}
	})
	t.Run("an empty object starts nothing", func(t *testing.T) {
		w := prepare(t)
		before := w.call(t, http.MethodGet, path, "").text
		if a := w.call(t, http.MethodPut, path, `{}`).wantStatus(http.StatusOK); a.text != before || w.startedSagas() != 0 {
			t.Errorf("%d sagas; %s", w.startedSagas(), a.text)
		}
	})
	t.Run("an update in progress is 202 and shows the requested change", func(t *testing.T) {
		w := prepare(t)
		w.update = func(
			_ context.Context, m minigroup.Minigroup, change minigroup.Change, _ time.Duration,
		) (minigroup.Minigroup, minigroup.Outcome, error) {
			m.Update = &minigroup.Update{State: minigroup.UpdateRunning, Requested: change}
			return m, minigroup.OutcomeAccepted, nil
		}
		a := w.call(t, http.MethodPut, path, `{"reserve":3}`).wantStatus(http.StatusAccepted).wantHeader("Retry-After", "2")
		if fmt.Sprint(a.body["update"]) != "map[requested:map[reserve:3] state:running]" {
			t.Error(a.text)
		}
	})
	t.Run("a missing minigroup is not found", func(t *testing.T) {
		w := prepare(t)
		w.call(t, http.MethodPut, minigroups+"/no-uuid", `{}`).wantProblem(http.StatusNotFound, minigroup.ClassNotFound)
	})
}
