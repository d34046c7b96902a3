package load

import (
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// requestTimeout bounds every request. The product responds within its wait for a saga plus a few seconds.
const requestTimeout = 90 * time.Second

// Target is the server to which requests are sent.
type Target struct {
	Address string // host:port; several ones, separated by commas, take turns
	Token   string // the bearer token of every request
}

// Work fills in a request, a different one each time. All clients call it concurrently.
type Work func(*fasthttp.Request)

// client returns a client with at most that many connections. It does not retry.
func (t Target) client(connections int) *fasthttp.HostClient {
	return &fasthttp.HostClient{
		Addr: t.Address, MaxConns: connections, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout,
		MaxIdemponentCallAttempts: 1, NoDefaultUserAgentHeader: true,
		RetryIfErr: func(*fasthttp.Request, int, error) (bool, bool) { return false, false },
	}
}

// prepare fills in a request to this target.
func (t Target) prepare(r *fasthttp.Request, work Work) {
	r.Reset()
	host, _, _ := strings.Cut(t.Address, ",")
	r.Header.SetHost(host)
	r.Header.Set(fasthttp.HeaderAuthorization, "Bearer "+t.Token)
	work(r)
}
