package load

import (
	"fmt"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// Together sends one request with each of a number of clients at the same time and returns after the last response.
// soonest is how long the first response took. It returns an error if one has another status than want.
func Together(t Target, clients int, work Work, want int) (soonest time.Duration, err error) {
	client := t.client(clients)
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var all sync.WaitGroup
	soonest = requestTimeout
	for range clients {
		all.Go(func() {
			request, reply := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			defer fasthttp.ReleaseRequest(request)
			defer fasthttp.ReleaseResponse(reply)
			t.prepare(request, work)
			begun := time.Now()
			failure := client.Do(request, reply)
			took := time.Since(begun)
			mu.Lock()
			defer mu.Unlock()
			soonest = min(soonest, took)
			if failure != nil || reply.StatusCode() != want {
				err = fmt.Errorf("the response to one of %d requests is %s", clients, describe(reply, failure))
			}
		})
	}
	all.Wait()
	return soonest, err
}
