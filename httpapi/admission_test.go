package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// wantRefused checks that a write was refused because of a limit, and wrote nothing.
func (a response) wantRefused(detail string) {
	a.t.Helper()
	a.wantProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
	if a.header.Get("Retry-After") == "" || !strings.Contains(a.text, detail) ||
		!strings.Contains(a.text, "nothing was done") || a.body["is_transient"] != true {
		a.t.Errorf("got %v %s", a.header, a.text)
	}
}

// TestAWriteWithoutCapacityWritesNothing sends every kind of write while all capacity is used.
func TestAWriteWithoutCapacityWritesNothing(t *testing.T) {
	w := newWorld(t, func(d *Deps) { d.MaxConcurrentWrites = 1 })
	w.events = func(context.Context, uuid.UUID, string) error {
		t.Error("a request was sent to event")
		return nil
	}
	m := filled()
	m.State = minigroup.Ready
	w.put(m)
	started, finish := make(chan struct{}, 2), make(chan struct{})
	w.update = func(
		_ context.Context, m minigroup.Minigroup, _ minigroup.Change, _ time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error) {
		started <- struct{}{}
		<-finish
		return m, minigroup.OutcomeDone, nil
	}
	path := minigroups + "/" + m.ID.String()
	var writes sync.WaitGroup
	writes.Go(func() {
		w.call(t, http.MethodPut, path, `{"host": "a.b.example.org"}`).wantStatus(http.StatusOK)
	})
	defer writes.Wait()
	defer close(finish)
	<-started
	sagas, stored, account := w.startedSagas(), w.read(t, m.ID), len(w.accounts)
	for _, write := range []struct{ method, path, body string }{
		{http.MethodPost, minigroups, lesson},
		{http.MethodPut, path, `{"host": "a.b.example.org"}`},
		{http.MethodPost, path + "/recreate", `{}`},
		{http.MethodPost, path + "/retry", ""},
		{http.MethodPut, path + "/properties/layout", `1`},
		{http.MethodPut, "/api/v1/account/properties/layout", `1`},
		{http.MethodPost, path + "/events", `{"type": "message"}`},
		{http.MethodPost, path + "/whiteboard", ""},
	} {
		w.call(t, write.method, write.path, write.body, idempotencyHeader, `"k"`).wantRefused("too many concurrent writes")
	}
	w.call(t, http.MethodPost, minigroups, `{}`).wantProblem(http.StatusBadRequest, minigroup.InvalidPayload)
	w.mu.Lock()
	keys := len(w.keys)
	w.mu.Unlock()
	if w.startedSagas() != sagas || keys != 0 || len(w.accounts) != account || w.read(t, m.ID) != stored {
		t.Errorf("%d sagas were started, and %d keys are stored", w.startedSagas()-sagas, keys)
	}
}

// read returns the stored minigroup as text.
func (w *world) read(t *testing.T, id uuid.UUID) string {
	t.Helper()
	m, err := w.Read(t.Context(), minigroup.ByID(id))
	noError(t, err)
	text, err := json.Marshal(m)
	noError(t, err)
	return string(text)
}

// TestAnAudienceWithTooManyUnfinishedSagas sends writes with Prefer: respond-async.
func TestAnAudienceWithTooManyUnfinishedSagas(t *testing.T) {
	const limit = 3
	w := newWorld(t, func(d *Deps) {
		d.MaxUnfinished = limit
		d.UnfinishedSagas = func(context.Context) (map[string]int, error) {
			return map[string]int{"example.org": limit, "open.example": limit - 1}, nil
		}
	})
	draftOf := func(scope string) minigroup.Draft {
		return minigroup.Draft{Scope: scope, Audience: "example.org", Host: "h"}
	}
	put := func(scope string, state minigroup.State, update *minigroup.Update) string {
		m := minigroup.Minigroup{
			Draft: draftOf(scope), State: state, Update: update, CreatedAt: time.Now(), EventRoomID: uuid.New(),
			ConferenceRoomID: uuid.New(),
		}
		m.Fingerprint = fingerprint(m.Draft)
		if state == minigroup.Failed {
			m.Failure = &minigroup.Failure{Kind: minigroup.UpstreamRefused}
		}
		w.put(m)
		return minigroups + "/" + classID(m.Draft).String()
	}
	ready := put("ready", minigroup.Ready, nil)
	failed := put("failed", minigroup.Failed, nil)
	put("creating", minigroup.Creating, nil)
	updating := put("updating", minigroup.Ready, &minigroup.Update{ID: uuid.New(), State: minigroup.UpdateRunning})
	updated := put("updated", minigroup.Ready, &minigroup.Update{
		ID: uuid.New(), State: minigroup.UpdateFailed, Failure: &minigroup.Failure{Kind: minigroup.UpstreamRefused},
	})
	body := func(scope, audience string) string {
		return `{"scope": "` + scope + `", "audience": "` + audience + `", "host": "h"}`
	}
	const change = `{"host": "a.b.example.org"}`
	async := func(method, path, body string) response {
		return w.call(t, method, path, body, "Prefer", "respond-async", idempotencyHeader, `"k"`)
	}
	t.Run("starts no other saga", func(t *testing.T) {
		for _, r := range []response{
			async(http.MethodPost, minigroups, body("new", "example.org")),
			async(http.MethodPost, minigroups, body("failed", "example.org")),
			async(http.MethodPut, ready, change),
			async(http.MethodPut, "/api/v1/audiences/example.org/minigroups/ready", change),
			async(http.MethodPut, updated, change),
			async(http.MethodPost, ready+"/recreate", `{}`),
			async(http.MethodPost, failed+"/retry", ""),
		} {
			r.wantRefused("too many unfinished operations")
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.started != 0 || len(w.keys) != 0 {
			t.Errorf("%d sagas were started, and %d keys are stored", w.started, len(w.keys))
		}
	})
	t.Run("answers what starts none", func(t *testing.T) {
		w.call(t, http.MethodPost, minigroups, body("creating", "example.org")).wantStatus(http.StatusCreated)
		w.call(t, http.MethodPost, minigroups, body("ready", "example.org")).wantStatus(http.StatusCreated)
		w.call(t, http.MethodPut, updating, change).wantStatus(http.StatusOK)
		w.call(t, http.MethodPut, ready, `{}`).wantStatus(http.StatusOK)
		w.call(t, http.MethodPut, ready+"/properties/layout", `1`).wantStatus(http.StatusOK)
		w.call(t, http.MethodGet, ready, "").wantStatus(http.StatusOK)
	})
	t.Run("does not affect another audience", func(t *testing.T) {
		w.call(t, http.MethodPost, minigroups, body("new", "open.example")).wantStatus(http.StatusCreated)
	})
}

func TestUnfinishedSagasAreCountedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, failing := 0, false
		u := &unfinishedSagas{max: 2, read: func(ctx context.Context) (map[string]int, error) {
			reads++
			time.Sleep(10 * time.Millisecond)
			if failing {
				return nil, errors.New("connection refused")
			}
			return map[string]int{"a.example": reads}, ctx.Err()
		}}
		isFull := func(audience string) bool {
			full, err := u.isFull(t.Context(), audience)
			noError(t, err)
			return full
		}
		for range 5 {
			go isFull("a.example")
		}
		synctest.Wait()
		if isFull("a.example") || isFull("b.example") || reads != 1 {
			t.Errorf("%d reads, and full with 1 of 2", reads)
		}
		time.Sleep(unfinishedAge)
		if !isFull("a.example") || isFull("b.example") || reads != 2 {
			t.Errorf("%d reads, and not full with 2 of 2", reads)
		}
		time.Sleep(unfinishedAge)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := u.isFull(ctx, "a.example"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(2 * unfinishedAge)
		synctest.Wait() // for the read whose caller has left
		failing = true
		if _, err := u.isFull(t.Context(), "a.example"); err == nil {
			t.Error("a count that failed was used")
		}
	})
}
