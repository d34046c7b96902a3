package rest_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"minigroups/clients/rest"
)

func TestNewTransport(t *testing.T) {
	t.Run("uses no proxy", func(t *testing.T) {
		if rest.NewTransport().Proxy != nil {
			t.Error("it has a proxy")
		}
	})

	t.Run("closes idle connections before load balancers do", func(t *testing.T) {
		if idle := rest.NewTransport().IdleConnTimeout; idle <= 0 || idle >= time.Minute {
			t.Errorf("it closes them after %s", idle)
		}
	})

	t.Run("does not wait long for a TLS handshake", func(t *testing.T) {
		if wait := rest.NewTransport().TLSHandshakeTimeout; wait <= 0 || wait >= time.Minute {
			t.Errorf("it waits %s", wait)
		}
	})

	t.Run("keeps the connections of many concurrent calls", func(t *testing.T) {
		const calls = 32
		var connections atomic.Int32
		arrived, release := make(chan struct{}, calls), make(chan struct{})
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			arrived <- struct{}{}
			<-release
			_, _ = io.WriteString(w, `{}`)
		}))
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connections.Add(1)
			}
		}
		server.Start()
		t.Cleanup(server.Close)
		c := newClient(t, server.URL)
		for round := range 2 {
			errs := make(chan error, calls)
			for range calls {
				go func() {
					errs <- c.Do(t.Context(), rest.Call{Doing: "look", Method: http.MethodGet, Reply: &body{}})
				}()
			}
			if round == 0 { // all concurrently, each on its own connection
				for range calls {
					<-arrived
				}
				close(release)
			}
			for range calls {
				if err := <-errs; err != nil {
					t.Fatal(err)
				}
			}
			if round > 0 {
				for range calls {
					<-arrived
				}
			}
		}
		if n := connections.Load(); n != calls {
			t.Errorf("%d connections for %d concurrent calls", n, calls)
		}
	})
}
