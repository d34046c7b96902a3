package load

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

// maxRetries is how often Send repeats a request after a 503: the machine may be busy while a measurement is prepared.
const maxRetries = 100

// Send sends n requests in total with a number of clients. It returns an error for a response with a status that is
// not in want. It repeats a request with status 503 up to 100 times.
func Send(ctx context.Context, t Target, clients, n int, work Work, want ...int) error {
	client := t.client(clients)
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var begun atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			request, reply := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			defer fasthttp.ReleaseRequest(request)
			defer fasthttp.ReleaseResponse(reply)
			for begun.Add(1) <= int64(n) && ctx.Err() == nil {
				t.prepare(request, work)
				err := client.Do(request, reply)
				for retry := 0; retry < maxRetries && ctx.Err() == nil; retry++ {
					if err != nil || reply.StatusCode() != fasthttp.StatusServiceUnavailable {
						break
					}
					pause(ctx, retryPause)
					err = client.Do(request, reply)
				}
				if err != nil || !slices.Contains(want, reply.StatusCode()) {
					cancel(fmt.Errorf("send %d requests: the response to one is %s", n, describe(reply, err)))
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
