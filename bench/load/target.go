package load

import (
	"time"

	"github.com/valyala/fasthttp"
)

// answerWithin bounds every request; the product answers within its wait for a saga and a few seconds.
const answerWithin = 90 * time.Second

// Target is a server.
type Target struct {
	Address string // host:port
	Token   string // bearer token of every request
}

// Work fills requests in: one kind of work, different each time. It is used by all clients at once.
type Work func(*fasthttp.Request)

// client connects at most so many times at once. It repeats nothing.
func (t Target) client(connections int) *fasthttp.HostClient {
	return &fasthttp.HostClient{
		Addr: t.Address, MaxConns: connections, ReadTimeout: answerWithin, WriteTimeout: answerWithin,
		MaxIdemponentCallAttempts: 1, RetryIfErr: func(*fasthttp.Request, int, error) (bool, bool) { return false, false },
		NoDefaultUserAgentHeader: true,
	}
}

// prepare makes a request of this target's.
func (t Target) prepare(r *fasthttp.Request, work Work) {
	r.Reset()
	r.Header.SetHost(t.Address)
	r.Header.Set(fasthttp.HeaderAuthorization, "Bearer "+t.Token)
	work(r)
}
