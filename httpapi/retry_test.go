package httpapi

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// failedMinigroup returns a minigroup whose create has failed.
func failedMinigroup() minigroup.Minigroup {
	m := filled()
	m.State, m.Update, m.EventRoomID, m.ConferenceRoomID = minigroup.Failed, nil, uuid.Nil, uuid.Nil
	m.Failure = &minigroup.Failure{
		Kind: minigroup.UpstreamRefused, Detail: "conference refused", FailedAt: time.Unix(1795472815, 0),
	}
	return m
}

func TestRetry(t *testing.T) {
	path := minigroups + "/" + filled().ID.String() + "/retry"
	t.Run("creates a failed minigroup again and ignores a body that is not declared as JSON", func(t *testing.T) {
		for _, body := range []string{"", "{}", "no JSON"} {
			w := newWorld(t)
			w.put(failedMinigroup())
			a := w.call(t, http.MethodPost, path, body, "Content-Type", "").wantStatus(http.StatusOK)
			if a.body["status"] != "real-time" || a.body["failure"] != nil || w.startedSagas() != 1 {
				t.Errorf("%d sagas, %s", w.startedSagas(), a.text)
			}
		}
	})
	t.Run("a retry in progress is 202 with Location and Retry-After", func(t *testing.T) {
		w := newWorld(t)
		w.put(failedMinigroup())
		var waited time.Duration
		w.retry = func(
			_ context.Context, m minigroup.Minigroup, _ minigroup.Requester, wait time.Duration,
		) (minigroup.Minigroup, minigroup.Outcome, error) {
			waited = wait
			m.State, m.Failure = minigroup.Creating, nil
			return m, minigroup.OutcomeAccepted, nil
		}
		a := w.call(t, http.MethodPost, path, "", "Prefer", "wait=3").wantStatus(http.StatusAccepted).
			wantHeader("Retry-After", "2").wantHeader("Location", minigroups+"/"+filled().ID.String())
		if a.body["status"] != "creating" || waited != 3*time.Second {
			t.Errorf("waited %s, %s", waited, a.text)
		}
	})
	t.Run("a minigroup that has not failed is refused", func(t *testing.T) {
		w := newWorld(t)
		w.put(filled())
		w.retry = func(
			_ context.Context, m minigroup.Minigroup, _ minigroup.Requester, _ time.Duration,
		) (minigroup.Minigroup, minigroup.Outcome, error) {
			return m, 0, minigroup.Errorf(minigroup.RetryNotPossible, "nothing has failed")
		}
		a := w.call(t, http.MethodPost, path, "").wantProblem(http.StatusConflict, minigroup.RetryNotPossible)
		if a.body["is_transient"] != false || a.body["detail"] != "nothing has failed" {
			t.Error(a.text)
		}
	})
	t.Run("a request with a stored key starts nothing", func(t *testing.T) {
		w := newWorld(t)
		w.put(failedMinigroup())
		first := w.call(t, http.MethodPost, path, "", "Idempotency-Key", "k").wantStatus(http.StatusOK)
		again := w.call(t, http.MethodPost, path, "", "Idempotency-Key", "k").wantStatus(http.StatusOK)
		if w.startedSagas() != 1 || again.text != first.text {
			t.Errorf("%d sagas, %s, then %s", w.startedSagas(), first.text, again.text)
		}
	})
	t.Run("a minigroup that does not exist is not found", func(t *testing.T) {
		newWorld(t).call(t, http.MethodPost, path, "").wantProblem(http.StatusNotFound, minigroup.ClassNotFound)
	})
}
