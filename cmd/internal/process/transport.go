package process

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"

	"go.temporal.io/sdk/client"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// What an operator reads if the two ends of a connection disagree about TLS.
const (
	needsTLS = "perhaps Temporal expects TLS, which is not configured: set TEMPORAL_TLS=true, " +
		"TEMPORAL_TLS_SERVER_CA_CERT_PATH if its CA is your own, and for mutual TLS " +
		"TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH"
	needsPlaintext = "Temporal does not speak TLS at this address: check temporal.address, " +
		"or remove TEMPORAL_TLS* and TEMPORAL_API_KEY"
	needsCertificate = "perhaps Temporal refuses the client certificate, or needs one: " +
		"check TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH"
)

// newTransport returns the credentials with which connections to Temporal are made. load returns the options of a
// client profile. It is called at once and, with TLS, before each handshake, so that a connection uses the certificate
// files as they are then.
func newTransport(load func() (client.Options, error)) (credentials.TransportCredentials, error) {
	o, err := load()
	if err != nil {
		return nil, err
	}
	if o.ConnectionOptions.TLS == nil {
		return plaintext{insecure.NewCredentials()}, nil
	}
	return rereadTLS{credentials.NewTLS(o.ConnectionOptions.TLS), load}, nil
}

// plaintext makes connections without TLS.
type plaintext struct {
	credentials.TransportCredentials
}

// ClientHandshake returns a connection that explains why a server that expects TLS ends it.
func (p plaintext) ClientHandshake(
	ctx context.Context, authority string, raw net.Conn,
) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := p.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if err != nil {
		return nil, nil, err
	}
	return &explainedConn{Conn: conn, hint: needsTLS}, info, nil
}

// Clone returns a copy.
func (p plaintext) Clone() credentials.TransportCredentials {
	return plaintext{p.TransportCredentials.Clone()}
}

// rereadTLS makes TLS connections with the certificates that load returns.
type rereadTLS struct {
	credentials.TransportCredentials // of the start, for all but handshakes
	load                             func() (client.Options, error)
}

// ClientHandshake makes the handshake. Its errors say if the server speaks no TLS.
func (t rereadTLS) ClientHandshake(
	ctx context.Context, authority string, raw net.Conn,
) (net.Conn, credentials.AuthInfo, error) {
	o, err := t.load()
	if err != nil {
		return nil, nil, err
	}
	conn, info, err := credentials.NewTLS(o.ConnectionOptions.TLS).ClientHandshake(ctx, authority, raw)
	var notTLS tls.RecordHeaderError
	if errors.As(err, &notTLS) {
		err = fmt.Errorf("%s: %w", needsPlaintext, err)
	}
	if err != nil {
		return nil, nil, err
	}
	// In TLS 1.3 the client's handshake ends before the server has seen the client's certificate.
	return &explainedConn{Conn: conn, hint: needsCertificate}, info, nil
}

// Clone returns a copy.
func (t rereadTLS) Clone() credentials.TransportCredentials {
	return rereadTLS{t.TransportCredentials.Clone(), t.load}
}

// explainedConn adds a hint to the errors of a connection that the server ends before it has sent anything.
type explainedConn struct {
	net.Conn
	hint     string
	answered atomic.Bool
}

func (c *explainedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.answered.Store(true)
	}
	return n, c.explain(err)
}

func (c *explainedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.explain(err)
}

func (c *explainedConn) explain(err error) error {
	// A connection that this side closes, or that times out, says nothing about the server.
	if err == nil || c.answered.Load() || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%s: %w", c.hint, err)
}
