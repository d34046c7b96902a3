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

// RawToken is the token of clients that use a raw transport. Their errors must not contain it.
const RawToken = "head.claims.signature"

// RawReplies are the seed corpus of the FuzzReplies tests.
var RawReplies = []string{
	"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" +
		`{"id":"11111111-2222-3333-4444-555555555555","time":[1,null]}`,
	"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
	"HTTP/1.0 422 \r\nRetry-After: 99999999999999999999\r\n\r\n" +
		"{\"type\":\"room_closed\",\"title\":\"\xff\x00\u202e\",\"detail\":7}",
	"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\n" + RawToken,
	"HTTP/1.1 302 Found\r\nLocation: http://localhost/" + RawToken + "\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
	"HTTP/1.1 204 No Content\r\nContent-Length: -1\r\n\r\n",
	"HTTP/9.9 999999 " + RawToken + "\r\n\x00: \r\n\r\n",
	RawToken,
	"",
}

// FuzzReplies sends arbitrary bytes as the reply to every operation, some of them without end. Each call must end
// before its context does, and its error must pass CheckError.
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
			CheckError(ctx, t, failed, RawToken)
		}
	})
}

// CheckError fails the test if the call ended only with its context, or if its error contains a secret or a control
// character, is longer than 4 KiB, or contradicts itself.
func CheckError(ctx context.Context, t *testing.T, failed *minigroup.UpstreamError, secrets ...string) {
	t.Helper()
	if ctx.Err() != nil {
		t.Errorf("the call did not end before its context: %v", failed)
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
			t.Errorf("the error contains a secret: %q", text)
		}
	}
	if failed.Refused && failed.MaybeDone {
		t.Errorf("refused, but maybe done: %q", text)
	}
	if failed.Refused && failed.Unfit {
		t.Errorf("refused, although the fault is the service's: %q", text)
	}
	if failed.RetryAfter < 0 || failed.RetryAfter > rest.MaxRetryAfter {
		t.Errorf("RetryAfter is %s", failed.RetryAfter)
	}
}

// NewRawTransport returns a transport on which every request receives these bytes. If endless is set, letters follow
// without end.
func NewRawTransport(reply []byte, endless bool) *http.Transport {
	transport := rest.NewTransport()
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		unused, _ := net.Pipe()
		c := &rawConn{Conn: unused, requested: make(chan struct{}), reply: bytes.NewReader(reply)}
		c.onRequest = sync.OnceFunc(func() { close(c.requested) })
		if endless {
			c.reply = io.MultiReader(c.reply, letters{})
		}
		return c, nil
	}
	return transport
}

// rawConn is a connection to a service that replies after the first bytes of a request. The embedded Conn provides only
// addresses and deadlines.
type rawConn struct {
	net.Conn

	requested chan struct{} // closed by the first Write, or by Close
	onRequest func()
	reply     io.Reader
	closed    atomic.Bool
}

// Write discards p and starts the reply.
func (c *rawConn) Write(p []byte) (int, error) {
	c.onRequest()
	return len(p), nil
}

// Read waits for the request, then reads from the reply.
func (c *rawConn) Read(p []byte) (int, error) {
	<-c.requested
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	return c.reply.Read(p)
}

// Close ends a waiting Read.
func (c *rawConn) Close() error {
	c.closed.Store(true)
	c.onRequest()
	return nil
}

// letters is an endless reader.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}
