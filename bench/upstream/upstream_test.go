package upstream_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"minigroups/bench/upstream"
	"minigroups/clients/conference"
	"minigroups/clients/event"
	"minigroups/clients/janus"
	"minigroups/clients/rest"
	"minigroups/minigroup"
)

// TestTheProductsClientsAcceptEveryResponse relies on the clients, which check the form of every response.
func TestTheProductsClientsAcceptEveryResponse(t *testing.T) {
	u := upstream.New(upstream.Config{})
	arrived := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		u.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	token := func() (string, error) { return "a token", nil }
	events := event.New(server.URL+"/event", rest.NewTransport(), token)
	conferences := conference.New(server.URL+"/conference", rest.NewTransport(), token)
	gateway := minigroup.Backend{ID: "gateway", AdminURL: server.URL + "/janus"}
	gateways := janus.New(janus.Config{}, rest.NewTransport())
	room := func(audience string, class uuid.UUID) error {
		_, err := events.CreateRoom(t.Context(), minigroup.NewEventRoom{Audience: audience, ClassID: class})
		return err
	}

	t.Run("every call succeeds", func(t *testing.T) {
		id, start, end, slots := uuid.New(), int64(4_000_000_000), int64(4_000_003_600), int32(3)
		patch := minigroup.ConferencePatch{Time: &minigroup.Window{Start: &start, End: &end}, Reserve: &slots}
		_, createErr := conferences.CreateRoom(t.Context(), minigroup.NewConferenceRoom{Audience: upstream.Usual})
		_, readErr := conferences.Room(t.Context(), id)
		patched, patchErr := conferences.PatchRoom(t.Context(), id, patch)
		_, roomsErr := gateways.Rooms(t.Context(), gateway, "")
		err := errors.Join(createErr, readErr, patchErr, roomsErr, conferences.CloseRoom(t.Context(), id),
			room(upstream.Usual, id), events.LockRoom(t.Context(), id, minigroup.Locks{Chat: true}),
			events.CloseRoom(t.Context(), id), gateways.Reserve(t.Context(), gateway, id, 1, ""),
			gateways.Release(t.Context(), gateway, id))
		if err != nil {
			t.Error(err)
		}
		if !patch.Applied(patched, 0) {
			t.Errorf("requested %+v, got %+v", patch, patched)
		}
	})

	t.Run("FailsOnce fails without effect, then succeeds", func(t *testing.T) {
		class := uuid.New()
		var upstreamErr *minigroup.UpstreamError
		err := room(upstream.FailsOnce, class)
		if !errors.As(err, &upstreamErr) || upstreamErr.Refused || upstreamErr.MaybeDone {
			t.Errorf("the first time: %v", err)
		}
		if err := room(upstream.FailsOnce, class); err != nil {
			t.Errorf("the second time: %v", err)
		}
		if err := room(upstream.FailsOnce, uuid.New()); err == nil {
			t.Error("another class does not fail")
		}
	})

	t.Run("Away says when to retry", func(t *testing.T) {
		var upstreamErr *minigroup.UpstreamError
		err := room(upstream.Away, uuid.New())
		if !errors.As(err, &upstreamErr) || upstreamErr.RetryAfter != time.Hour {
			t.Errorf("got %v", err)
		}
	})

	t.Run("Hangs waits until its caller hangs up", func(t *testing.T) {
		for len(arrived) > 0 {
			<-arrived
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := events.CreateRoom(ctx, minigroup.NewEventRoom{Audience: upstream.Hangs})
			ended <- err
		}()
		<-arrived
		if err := room(upstream.Usual, uuid.New()); err != nil { // other audiences do not hang
			t.Error(err)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got a response: %v", err)
		}
	})
}

// get returns the body of a response with status 200.
func get(t *testing.T, handler http.Handler, path string) string {
	t.Helper()
	recorded := httptest.NewRecorder()
	handler.ServeHTTP(recorded, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	if recorded.Code != http.StatusOK {
		t.Errorf("GET %s: %d", path, recorded.Code)
	}
	return strings.TrimSpace(recorded.Body.String())
}

// send sends that many requests at once and counts the responses with each status.
func send(ctx context.Context, handler http.Handler, n int, method, path, body string) map[int]int {
	var mu sync.Mutex
	statuses := map[int]int{}
	var group errgroup.Group
	for range n {
		group.Go(func() error {
			recorded := httptest.NewRecorder()
			handler.ServeHTTP(recorded, httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body)))
			mu.Lock()
			defer mu.Unlock()
			statuses[recorded.Code]++
			return nil
		})
	}
	_ = group.Wait() // no request returns an error
	return statuses
}

func TestOverload(t *testing.T) {
	const conferences, events = "/conference/api/v1/rooms", "/event/api/v1/rooms"
	start := func() http.Handler {
		d := upstream.Database{Connections: 10, ServiceTime: 2 * time.Millisecond}
		return upstream.New(upstream.Config{Event: d, Conference: d}).Handler()
	}
	for name, test := range map[string]func(*testing.T){
		"conference deadlocks on its connections": func(t *testing.T) {
			handler := start()
			if got := send(t.Context(), handler, 10, http.MethodPost, conferences, "{}"); got[422] != 10 {
				t.Errorf("got %v", got)
			}
			const want = `{"connections":10,"in_use":0,"max_in_use":10,"waiting":0,"timed_out":10,"orphans":10}`
			if got := get(t, handler, "/database/conference"); got != want {
				t.Errorf("got %s", got)
			}
			if got := send(t.Context(), handler, 9, http.MethodPost, conferences, "{}"); got[201] != 9 {
				t.Errorf("fewer creates: %v", got)
			}
		},
		"event does not, and its requests wait": func(t *testing.T) {
			handler, begun := start(), time.Now()
			body := `{"audience":"` + upstream.Usual + `"}`
			if got := send(t.Context(), handler, 100, http.MethodPost, events, body); got[201] != 100 {
				t.Errorf("got %v", got)
			}
			if took := time.Since(begun); took != 20*time.Millisecond {
				t.Errorf("it took %s", took)
			}
		},
		"requests that hang hold no connection": func(t *testing.T) {
			handler := start()
			ctx, hangUp := context.WithCancel(t.Context())
			defer hangUp()
			go send(ctx, handler, 500, http.MethodPost, events, `{"audience":"`+upstream.Hangs+`"}`)
			synctest.Wait()
			const want = `{"connections":10,"in_use":0,"max_in_use":0,"waiting":0,"timed_out":0,"orphans":0}`
			if got := get(t, handler, "/database/event"); got != want {
				t.Errorf("got %s", got)
			}
		},
		"a client that hangs up gives its connections back": func(t *testing.T) {
			handler := start()
			ctx, hangUp := context.WithTimeout(t.Context(), time.Second)
			defer hangUp()
			send(ctx, handler, 10, http.MethodPost, conferences, "{}")
			const want = `{"connections":10,"in_use":0,"max_in_use":10,"waiting":0,"timed_out":0,"orphans":0}`
			if got := get(t, handler, "/database/conference"); got != want {
				t.Errorf("got %s", got)
			}
		},
		"a delay replaces a shorter service time": func(t *testing.T) {
			handler := start()
			send(t.Context(), handler, 1, http.MethodPut, "/delay?is=10ms", "")
			for path, body := range map[string]string{conferences: "{}", "/janus": `{"request":{"request":"list"}}`} {
				begun := time.Now()
				send(t.Context(), handler, 1, http.MethodPost, path, body)
				if took := time.Since(begun); took != 10*time.Millisecond {
					t.Errorf("%s took %s", path, took)
				}
			}
		},
		"the number of connections can change": func(t *testing.T) {
			handler := start()
			send(t.Context(), handler, 1, http.MethodPut, "/database/conference?connections=0", "")
			if got := send(t.Context(), handler, 100, http.MethodPost, conferences, "{}"); got[201] != 100 {
				t.Errorf("got %v", got)
			}
			if got := send(t.Context(), handler, 1, http.MethodPut, "/database/event?connections=-1", ""); got[400] != 1 {
				t.Errorf("got %v", got)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
	}
}
