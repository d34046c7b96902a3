package upstream_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/bench/upstream"
	"minigroups/clients/conference"
	"minigroups/clients/event"
	"minigroups/clients/janus"
	"minigroups/clients/rest"
	"minigroups/minigroup"
)

// TestTheProductsClientsAcceptEveryResponse relies on the clients, which check the form of every response.
func TestTheProductsClientsAcceptEveryResponse(t *testing.T) {
	u := upstream.New()
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
