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

// writeTimeout bounds each write, so that a broker that stops reading cannot block acknowledgements or the shutdown.
const writeTimeout = 3 * time.Second

// netConn is a network connection with write timeouts. The MQTT library holds the mutex while it writes a packet, which
// takes several calls of Write.
type netConn struct {
	net.Conn
	sync.Mutex
}

// Write fails after writeTimeout. It closes the connection when it fails, because part of a packet may have been sent.
func (c *netConn) Write(b []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := c.Conn.Write(b)
	if err != nil {
		_ = c.Close()
	}
	return n, err
}

// dial connects to the broker, with TLS for the scheme mqtts. The default ports are 1883 and 8883.
func dial(ctx context.Context, broker *url.URL, config *tls.Config) (*netConn, error) {
	var (
		conn net.Conn
		err  error
	)
	if broker.Scheme == "mqtts" {
		address := net.JoinHostPort(broker.Hostname(), cmp.Or(broker.Port(), "8883"))
		conn, err = (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	} else {
		address := net.JoinHostPort(broker.Hostname(), cmp.Or(broker.Port(), "1883"))
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return nil, err
	}
	return &netConn{Conn: conn}, nil
}
