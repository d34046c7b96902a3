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

func TestARequestMayBeWorkedOnForLongerThanItMayTakeToArrive(t *testing.T) {
	server := newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-time.After(4 * 50 * time.Millisecond): // that it is not cut until then is what is tested
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
	for name, text := range map[string]string{"without a body": get, "with a body": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"} {
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

func TestNobodyHoldsAServerUp(t *testing.T) {
	server := newServer(http.NotFoundHandler())
	if server.ReadHeaderTimeout <= 0 || server.IdleTimeout <= 0 || server.MaxHeaderBytes <= 0 || server.ReadTimeout <= 0 || server.WriteTimeout <= config.MaxWait {
		t.Fatalf("its limits are %+v", server)
	}
	t.Run("with half a head", func(t *testing.T) {
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

// served runs Serve with a handler until stop is called, and returns its address and its error afterwards.
func served(t *testing.T, handler http.HandlerFunc, delay, drain time.Duration) (address string, stop context.CancelFunc, ended chan error) {
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
	go func() { ended <- Serve(ctx, address, handler, delay, drain) }()
	untilListening(t, address, true)
	return address, stop, ended
}

// untilListening waits until somebody listens on the address, or nobody does any more.
func untilListening(t *testing.T, address string, want bool) {
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
	t.Fatalf("whether it listens does not become %v", want)
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

const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

func TestServeEnds(t *testing.T) {
	t.Run("after the request under way, whose connection it does not keep", func(t *testing.T) {
		began, goOn := make(chan struct{}), make(chan struct{})
		address, stop, ended := served(t, func(w http.ResponseWriter, _ *http.Request) {
			close(began)
			<-goOn
			fmt.Fprint(w, "whole")
		}, 0, time.Minute)
		conn := dial(t, address, get)
		<-began
		stop()
		untilListening(t, address, false)
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
	t.Run("although a request does not", func(t *testing.T) {
		began := make(chan struct{})
		address, stop, ended := served(t, func(_ http.ResponseWriter, r *http.Request) {
			close(began)
			<-r.Context().Done()
		}, 0, 10*time.Millisecond)
		dial(t, address, get)
		<-began
		stop()
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) && (err == nil || !strings.Contains(err.Error(), "were cut")) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("when nobody comes any more, as long as it was given for that", func(t *testing.T) {
		address, stop, ended := served(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "still here") }, time.Minute, time.Minute)
		stop()
		var resp *http.Response
		for deadline := time.Now().Add(10 * time.Second); resp == nil || (!resp.Close && time.Now().Before(deadline)); {
			var err error
			if resp, err = http.ReadResponse(bufio.NewReader(dial(t, address, get)), nil); err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
		}
		if resp.StatusCode != http.StatusOK || !resp.Close {
			t.Errorf("got %d, closing %v", resp.StatusCode, resp.Close)
		}
		select {
		case err := <-ended:
			t.Errorf("it has ended: %v", err)
		default:
		}
	})
}
