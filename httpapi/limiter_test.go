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

func TestOnlySoManyWritesAreLetIn(t *testing.T) {
	w := newWorld(t, func(d *Deps) { d.MaxConcurrentWrites = 5 })
	m := filled()
	m.State = minigroup.Ready
	w.put(m)
	path := minigroups + "/" + m.ID.String()
	entered, open := make(chan struct{}, 10), make(chan struct{})
	w.create = func(_ context.Context, request minigroup.CreateRequest, _ time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
		entered <- struct{}{}
		<-open
		return minigroup.Minigroup{Draft: request.Draft, ID: request.ID, State: minigroup.Ready, CreatedAt: time.Now(), EventRoomID: uuid.New(), ConferenceRoomID: uuid.New()}, minigroup.OutcomeDone, nil
	}
	body := func(n int, audience string) string {
		return `{"scope": "` + strconv.Itoa(n) + `", "audience": "` + audience + `", "host": "h"}`
	}
	var inside sync.WaitGroup
	enter := func(n int, audience string) {
		inside.Go(func() { w.call(t, http.MethodPost, minigroups, body(n, audience)).wants(http.StatusCreated) })
		<-entered
	}
	refused := func(r answer) {
		t.Helper()
		r.wantsProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
		if r.header.Get("Retry-After") != "1" || !strings.Contains(r.text, "nothing was done") {
			t.Errorf("got %v %s", r.header, r.text)
		}
	}
	for n := range 3 {
		enter(n, "example.org")
	}
	for _, r := range []answer{
		w.call(t, http.MethodPost, minigroups, body(3, "example.org")), w.call(t, http.MethodPut, path, `{"host": "a.b.example.org"}`),
		w.call(t, http.MethodPost, path+"/recreate", `{}`), w.call(t, http.MethodPost, path+"/retry", ""), w.call(t, http.MethodPost, path+"/whiteboard", ""),
	} {
		refused(r)
	}
	enter(4, "open.example") // the other half is for others
	enter(5, "open.example")
	refused(w.call(t, http.MethodPost, minigroups, body(6, "open.example")))
	w.call(t, http.MethodGet, path, "").wants(http.StatusOK)
	w.call(t, http.MethodPut, path, `{}`).wants(http.StatusOK) // it asks for nothing
	close(open)
	inside.Wait()
	for n := range 6 {
		w.call(t, http.MethodPost, minigroups, body(n, "example.org")).wants(http.StatusCreated)
	}
}
