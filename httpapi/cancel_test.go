package httpapi

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"minigroups/minigroup"
)

func TestCancel(t *testing.T) {
	path := minigroups + "/" + filled().ID.String() + "/cancel"
	creating := filled()
	creating.State = minigroup.Creating
	// cancelled sends a cancel that comes to the outcome, and returns who has asked for it.
	cancelled := func(
		t *testing.T, body string, outcome minigroup.Cancellation,
	) (response, minigroup.Requester, time.Duration) {
		w := newWorld(t)
		w.put(creating)
		var by minigroup.Requester
		var waited time.Duration
		w.cancel = func(
			_ context.Context, _ minigroup.Minigroup, who minigroup.Requester, wait time.Duration,
		) (minigroup.Cancellation, error) {
			by, waited = who, wait
			return outcome, nil
		}
		a := w.call(t, http.MethodPost, path, body, "X-Request-Id", "request-1", "Prefer", "wait=3")
		return a, by, waited
	}
	t.Run("an operation that has ended is 200", func(t *testing.T) {
		a, by, waited := cancelled(t, `{"reason":"why"}`, minigroup.Cancellation{
			Minigroup: failedMinigroup(), Run: "run-1", Ended: true,
		})
		want := minigroup.Requester{
			Account: minigroup.Account{Label: "teacher", Audience: "example.org"}, Reason: "why", RequestID: "request-1",
		}
		if a.wantStatus(http.StatusOK); a.body["status"] != "failed" || by != want || waited != 3*time.Second {
			t.Errorf("cancelled by %+v, waited %s: %s", by, waited, a.text)
		}
	})
	t.Run("an operation that is still being undone is 202", func(t *testing.T) {
		a, _, _ := cancelled(t, "", minigroup.Cancellation{Minigroup: creating, Run: "run-1"})
		a.wantStatus(http.StatusAccepted).wantHeader("Location", minigroups+"/"+filled().ID.String()).
			wantHeader("Retry-After", "2")
	})
	t.Run("a create whose run is gone is 202, because the sweeper undoes it", func(t *testing.T) {
		a, _, _ := cancelled(t, "{}", minigroup.Cancellation{Minigroup: creating, Ended: true})
		a.wantStatus(http.StatusAccepted)
	})
	t.Run("without an operation nothing changes", func(t *testing.T) {
		a, _, _ := cancelled(t, "", minigroup.Cancellation{Minigroup: filled(), Ended: true})
		if a.wantStatus(http.StatusOK); a.body["status"] != "real-time" {
			t.Error(a.text)
		}
	})
	t.Run("an invalid reason cancels nothing", func(t *testing.T) {
		a, by, _ := cancelled(t, `{"reason":1}`, minigroup.Cancellation{})
		if a.wantProblem(http.StatusBadRequest, minigroup.InvalidPayload); by != (minigroup.Requester{}) {
			t.Error("it was cancelled")
		}
	})
}

func TestErase(t *testing.T) {
	path := minigroups + "/" + filled().ID.String() + "/personal-data"
	t.Run("is 204, and the history says who", func(t *testing.T) {
		w := newWorld(t)
		w.put(filled())
		for range 2 {
			a := w.call(t, http.MethodDelete, path, "", "Content-Type", "").wantStatus(http.StatusNoContent)
			if a.text != "" {
				t.Error(a.text)
			}
		}
		if by := w.history[filled().ID][0].By; by.Account.Label != "teacher" || by.RequestID == "" {
			t.Errorf("erased by %+v", by)
		}
	})
	t.Run("the class is shown without it", func(t *testing.T) {
		w := newWorld(t)
		m := filled()
		m.Host, m.Tags, m.Properties, m.ClosedAt, m.ErasedAt = "", nil, []byte("{}"), time.Now(), time.Now()
		w.put(m)
		a := w.call(t, http.MethodGet, minigroups+"/"+m.ID.String(), "").wantStatus(http.StatusOK)
		if a.body["host"] != "" || a.body["tags"] != nil || a.body["status"] != "closed" {
			t.Error(a.text)
		}
	})
	t.Run("a class that is not over is refused", func(t *testing.T) {
		w := newWorld(t)
		w.put(filled())
		w.historyErr = minigroup.Errorf(minigroup.NotClosed, "the class has not ended")
		w.call(t, http.MethodDelete, path, "").wantProblem(http.StatusConflict, minigroup.NotClosed)
	})
	t.Run("a database that is away is unavailable", func(t *testing.T) {
		w := newWorld(t)
		w.put(filled())
		w.historyErr = errors.New("away")
		w.call(t, http.MethodDelete, path, "").wantProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
	})
}
