package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"minigroups/config"
)

const (
	get          = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	postWithBody = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"
)

const idleTimeout = 11 * time.Minute

func newServer(t *testing.T, handler http.Handler) *http.Server {
	return Server{Handler: handler, IdleTimeout: idleTimeout}.server(t.Context())
}

func TestConnectionsStayIdleForLongerThanLoadBalancersKeepThem(t *testing.T) {
	if idle := config.Default().API.IdleTimeout; idle <= 600*time.Second { // the longest, of Google Cloud
		t.Errorf("they are closed after %s", idle)
	}
}

func TestAHandlerMayTakeLongerThanTheReadTimeout(t *testing.T) {
	server := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-time.After(4 * 50 * time.Millisecond): // far beyond the timeouts below
			fmt.Fprint(w, "whole")
		}
	}))
	server.ReadHeaderTimeout, server.ReadTimeout = 50*time.Millisecond, 50*time.Millisecond
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	for name, text := range map[string]string{"without a body": get, "with a body": postWithBody} {
		resp, err := http.ReadResponse(bufio.NewReader(dial(t, listener.Addr().String(), text)), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "whole" {
			t.Errorf("%s: got %q, %v", name, body, err)
		}
		_ = resp.Body.Close()
	}
}

func TestEveryPhaseOfARequestHasALimit(t *testing.T) {
	server := newServer(t, http.NotFoundHandler())
	if server.ReadHeaderTimeout <= 0 || server.IdleTimeout != idleTimeout || server.MaxHeaderBytes <= 0 ||
		server.ReadTimeout <= 0 || server.WriteTimeout <= config.MaxWait {
		t.Fatalf("its limits are %+v", server)
	}
	t.Run("half a header is cut off", func(t *testing.T) {
		server.ReadHeaderTimeout = 50 * time.Millisecond
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { _ = server.Close() })
		conn := dial(t, listener.Addr().String(), "GET / HTTP/1.1\r\nHost: x\r\n")
		if text, err := io.ReadAll(conn); err != nil || strings.Contains(string(text), "200") {
			t.Errorf("got %q, %v", text, err)
		}
	})
}

// served runs Serve with a handler until stop is called. ended receives the error that Serve returns.
func served(
	t *testing.T, handler http.HandlerFunc, delay, drain time.Duration,
) (address string, stop context.CancelFunc, ended chan error) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended = make(chan error, 1)
	server := Server{
		Address: address, Handler: handler, IdleTimeout: idleTimeout, DrainDelay: delay, DrainTimeout: drain,
	}
	go func() { ended <- server.Serve(ctx) }()
	awaitListening(t, address, true)
	return address, stop, ended
}

// awaitListening waits until the address accepts connections, or until it no longer does.
func awaitListening(t *testing.T, address string, want bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		if (err == nil) == want {
			return
		}
	}
	t.Fatalf("listening on %s is not %v after 10 s", address, want)
}

func dial(t *testing.T, address, text string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestServeOnShutdown(t *testing.T) {
	t.Run("finishes the running request and closes its connection", func(t *testing.T) {
		began, goOn := make(chan struct{}), make(chan struct{})
		address, stop, ended := served(t, func(w http.ResponseWriter, _ *http.Request) {
			close(began)
			<-goOn
			fmt.Fprint(w, "whole")
		}, 0, time.Minute)
		conn := dial(t, address, get)
		<-began
		stop()
		awaitListening(t, address, false)
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		default:
		}
		close(goOn)
		text, err := io.ReadAll(conn)
		if err != nil || !strings.Contains(string(text), "whole") || !strings.Contains(string(text), "Connection: close") {
			t.Errorf("got %q, %v", text, err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Run("cuts off a request that takes longer than the drain time", func(t *testing.T) {
		began := make(chan struct{})
		address, stop, ended := served(t, func(_ http.ResponseWriter, r *http.Request) {
			close(began)
			<-r.Context().Done()
		}, 0, 10*time.Millisecond)
		dial(t, address, get)
		<-began
		stop()
		err := <-ended
		if !errors.Is(err, context.DeadlineExceeded) && (err == nil || !strings.Contains(err.Error(), "still running")) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("keeps answering during the delay, without keeping connections", func(t *testing.T) {
		answer := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "still here") }
		address, stop, ended := served(t, answer, time.Minute, time.Minute)
		idle := keptAlive(t, address)
		stop()
		awaitDraining(t, address)
		select {
		case err := <-ended:
			t.Errorf("it has ended: %v", err)
		default:
		}
		t.Run("answers a request on a connection that was idle", func(t *testing.T) {
			fmt.Fprint(idle, get)
			if resp := answerOn(t, idle); resp.StatusCode != http.StatusOK || !resp.Close {
				t.Errorf("got %d, closing %v", resp.StatusCode, resp.Close)
			}
		})
	})
	t.Run("closes the connection of a request that was running when the delay began", func(t *testing.T) {
		began, goOn := make(chan struct{}), make(chan struct{})
		address, stop, _ := served(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				close(began)
				<-goOn
			}
			fmt.Fprint(w, "whole")
		}, time.Minute, time.Minute)
		conn := dial(t, address, strings.Replace(get, "/", "/slow", 1))
		<-began
		stop()
		awaitDraining(t, address)
		close(goOn)
		if resp := answerOn(t, conn); resp.StatusCode != http.StatusOK || !resp.Close {
			t.Errorf("got %d, closing %v", resp.StatusCode, resp.Close)
		}
	})
}

// keptAlive returns a connection that is idle after its first request.
func keptAlive(t *testing.T, address string) net.Conn {
	t.Helper()
	conn := dial(t, address, get)
	if resp := answerOn(t, conn); resp.StatusCode != http.StatusOK || resp.Close {
		t.Fatalf("got %d, closing %v", resp.StatusCode, resp.Close)
	}
	return conn
}

// awaitDraining waits until the server closes the connections of new requests.
func awaitDraining(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if answerOn(t, dial(t, address, get)).Close {
			return
		}
	}
	t.Fatal("it still keeps connections after 10 s")
}

// answerOn reads an answer and its body from a connection.
func answerOn(t *testing.T, conn net.Conn) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
	_ = resp.Body.Close()
	return resp
}
