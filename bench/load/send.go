package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

// Send has so many clients send n requests between them. An answer of another status than wanted ends it with an error.
func Send(ctx context.Context, t Target, clients, n int, work Work, want int) error {
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
				if err := client.Do(request, reply); err != nil || reply.StatusCode() != want {
					cancel(fmt.Errorf("send %d requests: one was answered %s", n, describe(reply, err)))
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
