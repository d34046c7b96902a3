package rest

import (
	"net"
	"net/http"
	"time"
)

// NewTransport returns a connection pool for all upstreams. A process needs one. It ignores the proxy settings of the
// environment.
func NewTransport() *http.Transport {
	// HTTP/1.1 only: the upstreams' behaviour on broken connections was observed with HTTP/1.1.
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		Protocols:           &http1,
		MaxIdleConnsPerHost: 256,
		// A safety limit. Beyond it, requests wait for a free connection within their own deadline.
		MaxConnsPerHost: 1024,
		// Janus closes idle connections after 120 s, and load balancers of AWS after 60 s. Closing them earlier avoids
		// sending on a connection that the other side has closed.
		IdleConnTimeout:        50 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		// The size limit on replies then holds for the bytes received.
		DisableCompression: true,
	}
}
