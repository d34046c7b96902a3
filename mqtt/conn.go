package mqtt

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"sync"
	"time"
)

// writeTry bounds each write: a broker that does not read any more shall not hold up who acknowledges or hangs up.
const writeTry = 3 * time.Second

// wire is a network connection to the broker. The library locks it for each packet, which it writes in pieces.
type wire struct {
	net.Conn
	sync.Mutex
}

// Write fails after writeTry. Part of a packet may have left then, so the connection is of no use any more.
func (w *wire) Write(b []byte) (int, error) {
	_ = w.SetWriteDeadline(time.Now().Add(writeTry))
	n, err := w.Conn.Write(b)
	if err != nil {
		_ = w.Close()
	}
	return n, err
}

func dial(ctx context.Context, broker *url.URL, config *tls.Config) (*wire, error) {
	if broker.Scheme == "mqtts" {
		conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", net.JoinHostPort(broker.Hostname(), cmp.Or(broker.Port(), "8883")))
		if err != nil {
			return nil, err
		}
		return &wire{Conn: conn}, nil
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(broker.Hostname(), cmp.Or(broker.Port(), "1883")))
	if err != nil {
		return nil, err
	}
	return &wire{Conn: conn}, nil
}
