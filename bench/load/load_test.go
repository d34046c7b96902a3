package load_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"minigroups/bench/load"
)

func target(t *testing.T, handler http.HandlerFunc) load.Target {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return load.Target{Address: strings.TrimPrefix(server.URL, "http://"), Token: "a token"}
}

func get(r *fasthttp.Request) { r.SetRequestURI("/here") }

func TestClosed(t *testing.T) {
	var received, bad atomic.Int64
	to := target(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/here" || r.Header.Get("Authorization") != "Bearer a token" {
			w.WriteHeader(http.StatusTeapot)
		}
		if received.Add(1)%10 == 0 {
			bad.Add(1)
			http.Error(w, "unavailable", http.StatusServiceUnavailable)
		}
	})
	edges := 0
	m := load.Closed{
		Clients: 4, WarmUp: 20 * time.Millisecond, Window: 200 * time.Millisecond, Work: get, Want: 200,
		Edge: func() { edges++ },
	}.Run(t.Context(), to)
	if len(m.Latencies) == 0 || int64(len(m.Latencies)) > received.Load()-bad.Load() {
		t.Errorf("%d good responses counted of %d", len(m.Latencies), received.Load()-bad.Load())
	}
	if m.Failed == 0 || int64(m.Failed) > bad.Load() || m.FirstFailure != "503 unavailable\n" {
		t.Errorf("%d failures counted of %d, one: %q", m.Failed, bad.Load(), m.FirstFailure)
	}
	if edges != 2 {
		t.Errorf("%d edges", edges)
	}
	for i := 1; i < len(m.Latencies); i++ {
		if m.Latencies[i] < m.Latencies[i-1] {
			t.Fatal("the latencies do not ascend")
		}
	}
	t.Run("a window without a good response ends", func(t *testing.T) {
		m := load.Closed{Clients: 1, Window: 20 * time.Millisecond, Work: get, Want: 201}.Run(t.Context(), to)
		if len(m.Latencies) != 0 || m.Failed == 0 {
			t.Errorf("got %+v", m)
		}
	})
}

func TestOpenCountsEveryResponse(t *testing.T) {
	var received atomic.Int64
	to := target(t, func(w http.ResponseWriter, _ *http.Request) {
		switch received.Add(1) % 4 {
		case 0:
			w.WriteHeader(http.StatusCreated)
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			http.Error(w, "broken", http.StatusInternalServerError)
		}
	})
	a := load.Open{PerSecond: 400, For: 100 * time.Millisecond, Work: get}.Run(t.Context(), to)
	if a.Sent != 40 || a.ByStatus[201] != 10 || a.ByStatus[503] != 20 || a.ByStatus[500] != 10 {
		t.Errorf("got %s", a)
	}
	if a.WithoutRetryAfter != 10 || a.FirstFailure != "500 broken\n" {
		t.Errorf("%d without Retry-After, the first failure is %q", a.WithoutRetryAfter, a.FirstFailure)
	}
}

func TestSend(t *testing.T) {
	var received atomic.Int64
	to := target(t, func(http.ResponseWriter, *http.Request) { received.Add(1) })
	if err := load.Send(t.Context(), to, 3, 10, get, 200); err != nil || received.Load() != 10 {
		t.Errorf("%d requests, %v", received.Load(), err)
	}
	t.Run("a request is repeated after a 503", func(t *testing.T) {
		var received atomic.Int64
		busy := target(t, func(w http.ResponseWriter, _ *http.Request) {
			if received.Add(1) == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		if err := load.Send(t.Context(), busy, 1, 2, get, 200); err != nil || received.Load() != 3 {
			t.Errorf("%d requests, %v", received.Load(), err)
		}
	})
	if err := load.Send(t.Context(), to, 3, 10, get, 201); err == nil || !strings.Contains(err.Error(), "200") {
		t.Errorf("another status: %v", err)
	}
}

func TestSeveralAddressesTakeTurns(t *testing.T) {
	var received [2]atomic.Int64
	var addresses []string
	for i := range received {
		to := target(t, func(http.ResponseWriter, *http.Request) { received[i].Add(1) })
		addresses = append(addresses, to.Address)
	}
	load.Closed{Clients: 4, Window: 50 * time.Millisecond, Work: get, Want: 200}.Run(
		t.Context(), load.Target{Address: strings.Join(addresses, ",")})
	if received[0].Load() == 0 || received[1].Load() == 0 {
		t.Errorf("one received %d requests, the other %d", received[0].Load(), received[1].Load())
	}
}

func TestTogether(t *testing.T) {
	var arrived atomic.Int64
	all := make(chan struct{})
	to := target(t, func(w http.ResponseWriter, _ *http.Request) {
		if arrived.Add(1) == 5 {
			close(all)
		}
		<-all // so that no response comes before every client has sent its request
		w.WriteHeader(http.StatusNotModified)
	})
	soonest, err := load.Together(to, 5, get, http.StatusNotModified)
	if err != nil || soonest <= 0 || arrived.Load() != 5 {
		t.Errorf("%d requests, the first response after %s, %v", arrived.Load(), soonest, err)
	}
	if _, err := load.Together(to, 1, get, http.StatusOK); err == nil || !strings.Contains(err.Error(), "304") {
		t.Errorf("another status: %v", err)
	}
}
