package load

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

// repeats is how often Send asks again what was answered 503, a moment later: it prepares what is to be measured, and may find
// the machine busy.
const repeats = 100

// Send has so many clients send n requests between them. An answer of a status that is not wanted ends it with an error; one of
// 503 does so only when it comes again and again.
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
				for tries := 0; err == nil && reply.StatusCode() == fasthttp.StatusServiceUnavailable && tries < repeats && ctx.Err() == nil; tries++ {
					pause(ctx, impatience)
					err = client.Do(request, reply)
				}
				if err != nil || !slices.Contains(want, reply.StatusCode()) {
					cancel(fmt.Errorf("send %d requests: one was answered %s", n, describe(reply, err)))
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
