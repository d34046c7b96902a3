package rest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"minigroups/clients/rest"
	"minigroups/minigroup"
)

func TestRepliesOtherThan2xx(t *testing.T) {
	const unknown, notDone, refused = "unknown", "not done", "refused"
	for _, test := range []struct {
		status int
		body   string
		want   string
	}{
		{422, `{"type":"sold_out","title":"Sold out"}`, refused},
		{404, `{"type":"sold_out","title":"Sold out"}`, refused},
		{503, `{"type":"sold_out","title":"Sold out"}`, refused},
		{422, `{"type":"asleep","title":"Asleep"}`, notDone},
		{403, `{"type":"asleep","title":"Asleep"}`, notDone},
		{422, `{"type":"other"}`, unknown},
		{400, `{"type":"other"}`, unknown},
		{404, `{"type":"other"}`, unknown},
		{401, `{"type":"other"}`, refused},
		{403, `{"type":"other"}`, refused},
		{400, "no JSON", refused},
		{401, "", refused},
		{403, "", refused},
		{405, "", refused},
		{413, "too big", refused},
		{415, "which type?", refused},
		{422, "missing field `name`", refused},
		{404, "", unknown},
		{409, "", unknown},
		{424, "", unknown},
		{429, "slow down", unknown},
		{500, "", unknown},
		{500, `{"name":"the body of a success"}`, unknown},
		{404, `{"name":"the body of a success"}`, unknown},
		{502, "<html>", unknown},
		{503, `{"title":"no type"}`, unknown},
		{504, "", unknown},
		{300, "", unknown},
	} {
		t.Run(fmt.Sprintf("%d %s is %s", test.status, test.body, test.want), func(t *testing.T) {
			c := newClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			failed := post(t, c)
			if failed.Status != test.status || failed.Refused != (test.want == refused) ||
				failed.MaybeDone != (test.want == unknown) {
				t.Errorf("%+v", failed)
			}
			reading := do(t.Context(), t, c, rest.Call{Doing: "look", Method: http.MethodGet, Reply: &body{}})
			if reading.MaybeDone || reading.Refused != failed.Refused {
				t.Errorf("a GET: %+v", reading)
			}
			c.Verdicts = nil
			if failed := post(t, c); failed.Refused || !failed.MaybeDone {
				t.Errorf("without verdicts: %+v", failed)
			}
		})
	}

	t.Run("a redirect is not followed", func(t *testing.T) {
		for _, status := range []int{301, 302, 303, 307, 308} {
			var requests atomic.Int32
			failed := post(t, newClient(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				http.Redirect(w, r, "/elsewhere", status)
			})))
			if failed.Status != status || failed.Refused || !failed.MaybeDone || requests.Load() != 1 {
				t.Errorf("%d requests, %+v", requests.Load(), failed)
			}
		}
	})
}

func TestUnreadableReplies(t *testing.T) {
	unreadable := func(t *testing.T, failed *minigroup.UpstreamError, status int) {
		t.Helper()
		if failed == nil || failed.Status != status || failed.Refused || !failed.MaybeDone || failed.Err == nil {
			t.Errorf("%+v", failed)
		}
	}
	for name, text := range map[string]string{
		"empty": "", "half a document": `{"name":`, "two documents": `{} {}`,
		"an array": `[]`, "HTML": "<html>", "a wrong type": `{"name":5}`,
	} {
		t.Run(name, func(t *testing.T) {
			unreadable(t, post(t, newClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, text)
			}))), 200)
		})
	}

	t.Run("a reply that Check rejects", func(t *testing.T) {
		c := newClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) }))
		var reply body
		wrong := errors.New("no name but " + token)
		failed := do(t.Context(), t, c, rest.Call{
			Doing: "buy", Method: http.MethodPost, Reply: &reply, Check: func() error { return wrong },
		})
		unreadable(t, failed, 200)
		if !errors.Is(failed, wrong) || strings.Contains(failed.Error(), token) {
			t.Error(failed)
		}
	})

	t.Run("a reply of 3 GB is not read to its end", func(t *testing.T) {
		for _, status := range []int{200, 422} {
			var written int64
			done := make(chan struct{})
			failed := post(t, newClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
				defer close(done)
				w.WriteHeader(status)
				chunk := make([]byte, 1<<20)
				for written < 3<<30 {
					n, err := w.Write(chunk)
					written += int64(n)
					if err != nil {
						return
					}
				}
			})))
			unreadable(t, failed, status)
			<-done
			if written > 64<<20 {
				t.Errorf("the service sent %d bytes", written)
			}
		}
	})

	t.Run("a reply of any status that is cut short", func(t *testing.T) {
		for _, status := range []int{201, 422} {
			failed := post(t, newClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "100")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, `{"name":`)
			})))
			unreadable(t, failed, status)
		}
	})

	t.Run("a reply that never ends is abandoned when the context ends", func(t *testing.T) {
		c := newClient(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		failed := do(ctx, t, c, rest.Call{Doing: "buy", Method: http.MethodPost, Reply: &body{}})
		unreadable(t, failed, 200)
		if !errors.Is(failed, context.DeadlineExceeded) {
			t.Error(failed)
		}
	})

	t.Run("an unrequested protocol switch", func(t *testing.T) {
		url := listen(t, func(r *bufio.Reader, w io.Writer) {
			readRequest(t, r)
			_, _ = io.WriteString(w, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tea\r\n\r\n")
			_, _ = r.ReadByte() // until the client closes
		})
		unreadable(t, post(t, newClient(t, url)), 101)
	})

	for _, times := range []int{1, 1000, 100_000} {
		t.Run(fmt.Sprintf("text that is not HTTP, %d times", times), func(t *testing.T) {
			url := listen(t, func(r *bufio.Reader, w io.Writer) {
				readRequest(t, r)
				_, _ = io.WriteString(w, strings.Repeat(token+"\x00", times)+"\r\n")
			})
			failed := post(t, newClient(t, url))
			unreadable(t, failed, 0)
			if text := failed.Error(); len(text) > 1000 || strings.Contains(text, "claims") {
				t.Errorf("%d bytes: %.1000s", len(text), text)
			}
		})
	}
}

func TestNoReply(t *testing.T) {
	t.Run("a refused connection is not done", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		failed := post(t, newClient(t, "http://"+listener.Addr().String()))
		if failed.Refused || failed.MaybeDone || failed.Status != 0 {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("a failed TLS handshake is not done", func(t *testing.T) {
		url := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was received") })
		if failed := post(t, newClient(t, strings.Replace(url, "http:", "https:", 1))); failed.Refused || failed.MaybeDone {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("a call with a cancelled context is not done", func(t *testing.T) {
		c := newClient(t, serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was received") }))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		failed := do(ctx, t, c, rest.Call{Doing: "buy", Method: http.MethodPost, Body: body{"apple"}, Reply: &body{}})
		if failed.Refused || failed.MaybeDone || !errors.Is(failed, context.Canceled) {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("a service that does not reply may have executed the request", func(t *testing.T) {
		c := newClient(t, serve(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}))
		for _, method := range []string{http.MethodPost, http.MethodPatch, http.MethodGet} {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			failed := do(ctx, t, c, rest.Call{Doing: "buy", Method: method, Reply: &body{}})
			if failed.Refused || failed.MaybeDone != (method != http.MethodGet) ||
				!errors.Is(failed, context.DeadlineExceeded) || !strings.Contains(failed.Error(), " gave no answer within ") {
				t.Errorf("%s: %+v", method, failed)
			}
		}
	})

	t.Run("a request is not sent again when a kept-alive connection breaks", func(t *testing.T) {
		var requests atomic.Int32
		url := listen(t, func(r *bufio.Reader, w io.Writer) {
			readRequest(t, r)
			requests.Add(1)
			_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
			if readRequest(t, r) {
				requests.Add(1)
			}
		})
		c := newClient(t, url)
		// This header makes net/http repeat a POST whose body it can send again.
		c.Transport = withHeader{"Idempotency-Key", "1", c.Transport}
		if failed := post(t, c); failed != nil {
			t.Fatal(failed)
		}
		if failed := post(t, c); failed.Refused || !failed.MaybeDone {
			t.Errorf("%+v", failed)
		}
		if n := requests.Load(); n != 2 {
			t.Errorf("the service received %d requests", n)
		}
	})

	t.Run("no idempotency key is sent", func(t *testing.T) {
		failed := post(t, newClient(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
				if _, sent := r.Header[name]; sent {
					t.Errorf("%s is sent", name)
				}
			}
			_, _ = io.WriteString(w, `{}`)
		})))
		if failed != nil {
			t.Error(failed)
		}
	})
}

// listen serves raw TCP connections with talk, one at a time, and closes each when talk returns.
func listen(t *testing.T, talk func(*bufio.Reader, io.Writer)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			talk(bufio.NewReader(conn), conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return "http://" + listener.Addr().String()
}

// readRequest reads one complete request. It returns false if the connection ends first.
func readRequest(t *testing.T, r *bufio.Reader) bool {
	t.Helper()
	request, err := http.ReadRequest(r)
	if err != nil {
		return false
	}
	if _, err := io.Copy(io.Discard, request.Body); err != nil {
		t.Errorf("read request: %v", err)
	}
	return true
}

// withHeader is a transport that adds a header to every request.
type withHeader struct {
	name, value string
	next        http.RoundTripper
}

func (h withHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(h.name, h.value)
	return h.next.RoundTrip(r)
}
