package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestConcurrentWritesAreLimited(t *testing.T) {
	w := newWorld(t, func(d *Deps) { d.MaxConcurrentWrites = 5 })
	m := filled()
	m.State = minigroup.Ready
	w.put(m)
	path := minigroups + "/" + m.ID.String()
	started, finish := make(chan struct{}, 10), make(chan struct{})
	w.create = func(
		_ context.Context, request minigroup.CreateRequest, _ time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error) {
		started <- struct{}{}
		select {
		case <-finish:
		case <-t.Context().Done():
		}
		return minigroup.Minigroup{
			Draft: request.Draft, ID: request.ID, State: minigroup.Ready, CreatedAt: time.Now(), EventRoomID: uuid.New(),
			ConferenceRoomID: uuid.New(),
		}, minigroup.OutcomeDone, nil
	}
	body := func(n int, audience string) string {
		return `{"scope": "` + strconv.Itoa(n) + `", "audience": "` + audience + `", "host": "h"}`
	}
	var writes sync.WaitGroup
	start := func(n int, audience string) {
		writes.Go(func() { w.call(t, http.MethodPost, minigroups, body(n, audience)).wantStatus(http.StatusCreated) })
		<-started
	}
	refused := func(r response) {
		t.Helper()
		r.wantProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
		if r.header.Get("Retry-After") != "1" || !strings.Contains(r.text, "nothing was done") {
			t.Errorf("got %v %s", r.header, r.text)
		}
	}
	start(0, "open.example") // from now on, one audience gets half of the capacity
	for n := range 3 {
		start(n, "example.org")
	}
	for _, r := range []response{
		w.call(t, http.MethodPost, minigroups, body(3, "example.org")),
		w.call(t, http.MethodPut, path, `{"host": "a.b.example.org"}`),
		w.call(t, http.MethodPost, path+"/recreate", `{}`), w.call(t, http.MethodPost, path+"/retry", ""),
		w.call(t, http.MethodPost, path+"/whiteboard", ""),
	} {
		refused(r)
	}
	start(5, "open.example") // the other half of the capacity
	refused(w.call(t, http.MethodPost, minigroups, body(6, "open.example")))
	w.call(t, http.MethodGet, path, "").wantStatus(http.StatusOK)
	w.call(t, http.MethodPut, path, `{}`).wantStatus(http.StatusOK) // it changes nothing, so it needs no capacity
	close(finish)
	writes.Wait()
	for n := range 6 {
		w.call(t, http.MethodPost, minigroups, body(n, "example.org")).wantStatus(http.StatusCreated)
	}
}
