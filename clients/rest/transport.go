package rest

import (
	"net"
	"net/http"
	"time"
)

// NewTransport returns the connections to all upstreams; a process needs one. It uses no proxy, whatever the environment says.
func NewTransport() *http.Transport {
	// HTTP/1.1 alone: what is known of the upstreams' behaviour when a connection breaks is known of HTTP/1.1.
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		Protocols:              &http1,
		MaxIdleConnsPerHost:    256,
		MaxConnsPerHost:        1024,             // a last bound: beyond it a request waits for a connection, as long as it may take in all
		IdleConnTimeout:        60 * time.Second, // Janus closes idle connections after 120 s; we must be the first
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // so that the limit on replies holds for what is received
	}
}
