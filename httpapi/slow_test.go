package httpapi

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

	"minigroups/minigroup"
)

// begin sends the header of a POST and the given part of its body, and returns the connection.
func (w *world) begin(t *testing.T, token string, length int, body string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(w.url, "http://"))
	noError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	noError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", minigroups, token, length, body)
	noError(t, err)
	return conn
}

func TestABodyThatIsTooSlowEndsTheConnection(t *testing.T) {
	w := newWorld(t, func(d *Deps) { d.BodyTimeout = 50 * time.Millisecond })
	for name, c := range map[string]struct {
		token string
		kind  minigroup.Kind
	}{"with a valid token": {w.token, minigroup.InvalidPayload}, "without one": {"x", minigroup.InvalidAuthentication}} {
		t.Run(name, func(t *testing.T) {
			conn := w.begin(t, c.token, len(lesson), lesson[:10])
			reader := bufio.NewReader(conn)
			resp, err := http.ReadResponse(reader, nil)
			noError(t, err)
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			noError(t, err)
			if !strings.Contains(string(text), string(c.kind)) || !resp.Close {
				t.Errorf("got %d, closing %v: %s", resp.StatusCode, resp.Close, text)
			}
			if _, err := reader.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("the connection is still open: %v", err)
			}
		})
	}
	if w.startedSagas() != 0 {
		t.Error("a saga was started")
	}
}

func TestTheBodyTimeoutDoesNotApplyToTheSaga(t *testing.T) {
	w := newWorld(t, func(d *Deps) { d.BodyTimeout = 50 * time.Millisecond })
	create := w.create
	w.create = func(
		ctx context.Context, request minigroup.CreateRequest, wait time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error) {
		select {
		case <-ctx.Done():
			return minigroup.Minigroup{}, 0, ctx.Err()
		case <-time.After(4 * 50 * time.Millisecond): // the request must not be cancelled until then
		}
		return create(ctx, request, wait)
	}
	w.call(t, http.MethodPost, minigroups, lesson).wantStatus(http.StatusCreated)
}
