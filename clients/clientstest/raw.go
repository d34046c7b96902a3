package clientstest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unicode"
	"unicode/utf8"

	"minigroups/clients/rest"
	"minigroups/minigroup"
)

// RawToken is what clients of RawTransports bear, and must not tell.
const RawToken = "head.claims.signature"

// RawReplies are where the search for replies that do harm begins.
var RawReplies = []string{
	"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n{\"id\":\"11111111-2222-3333-4444-555555555555\",\"time\":[1,null]}",
	"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
	"HTTP/1.0 422 \r\nRetry-After: 99999999999999999999\r\n\r\n{\"type\":\"room_closed\",\"title\":\"\xff\x00\u202e\",\"detail\":7}",
	"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\n" + RawToken,
	"HTTP/1.1 302 Found\r\nLocation: http://localhost/" + RawToken + "\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
	"HTTP/1.1 204 No Content\r\nContent-Length: -1\r\n\r\n",
	"HTTP/9.9 999999 " + RawToken + "\r\n\x00: \r\n\r\n",
	RawToken,
	"",
}

// FuzzReplies has the service answer every operation with any bytes at all: each call ends by itself, in a proper error or
// with what was asked for.
func (s Service[C, N]) FuzzReplies(f *testing.F) {
	for _, reply := range RawReplies {
		f.Add([]byte(reply), false)
		f.Add([]byte(reply), true)
	}
	f.Fuzz(func(t *testing.T, reply []byte, endless bool) {
		for _, operation := range s.operations() {
			transport := NewRawTransport(reply, endless)
			client := s.NewClient("http://service", transport, func() (string, error) { return RawToken, nil })
			ctx := bounded(t, callLimit)
			failed := s.Failure(t, operation.Call(client, ctx, RoomID))
			transport.CloseIdleConnections()
			WantProper(ctx, t, failed, RawToken)
		}
	})
}

// WantProper fails the test where a call has not ended by itself, or its error says too much.
func WantProper(ctx context.Context, t *testing.T, failed *minigroup.UpstreamError, secrets ...string) {
	t.Helper()
	if ctx.Err() != nil {
		t.Errorf("the call went on until its limit: %v", failed)
	}
	if failed == nil {
		return
	}
	text := failed.Error()
	if len(text) > 4<<10 || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("the error has %d bytes: %.1000q", len(text), text)
	}
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("the error tells a secret: %q", text)
		}
	}
	if failed.Refused && failed.MaybeDone {
		t.Errorf("refused, but maybe done: %q", text)
	}
	if failed.RetryAfter < 0 || failed.RetryAfter > rest.MaxRetryAfter {
		t.Errorf("try again after %s", failed.RetryAfter)
	}
}

// NewRawTransport returns connections on which every request is answered with these bytes, whatever they are; where the
// reply is endless, letters follow for as long as somebody reads.
func NewRawTransport(reply []byte, endless bool) *http.Transport {
	transport := rest.NewTransport()
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		unused, _ := net.Pipe()
		c := &rawConn{Conn: unused, asked: make(chan struct{}), reply: bytes.NewReader(reply)}
		c.ask = sync.OnceFunc(func() { close(c.asked) })
		if endless {
			c.reply = io.MultiReader(c.reply, letters{})
		}
		return c, nil
	}
	return transport
}

// rawConn is the connection to a service that replies as soon as it is asked. Its Conn only has addresses and deadlines.
type rawConn struct {
	net.Conn

	asked  chan struct{} // closed when something has been written
	ask    func()
	reply  io.Reader
	closed atomic.Bool
}

// Write takes all, and lets the reply begin.
func (c *rawConn) Write(p []byte) (int, error) {
	c.ask()
	return len(p), nil
}

// Read waits for the request, and reads of the reply.
func (c *rawConn) Read(p []byte) (int, error) {
	<-c.asked
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	return c.reply.Read(p)
}

// Close ends whoever reads.
func (c *rawConn) Close() error {
	c.closed.Store(true)
	c.ask()
	return nil
}

// letters are read without end.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}
