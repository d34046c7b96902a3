package load

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// Open is an open loop.
type Open struct {
	// PerSecond is the number of requests per second. They are sent at equal intervals.
	PerSecond float64
	For       time.Duration
	Work      Work
}

// maxOutstanding bounds the connections of an open loop.
const maxOutstanding = 8192

// Answers has the results of an open loop or a crowd.
type Answers struct {
	// Sent is the number of requests, and ByStatus that of their responses; status 0 is no response.
	Sent     int
	ByStatus map[int]int
	// WithoutRetryAfter is the number of responses 503 without Retry-After.
	WithoutRetryAfter int
	// MaxLatency is the longest time from when a request was due to its response.
	MaxLatency time.Duration
	// FirstFailure describes a response other than 201, 202 and 503.
	FirstFailure string

	mu sync.Mutex
}

// Run sends the requests and returns after the last response.
func (o Open) Run(ctx context.Context, t Target) *Answers {
	client := t.client(maxOutstanding)
	defer client.CloseIdleConnections()
	out := &Answers{ByStatus: map[int]int{}}
	var outstanding sync.WaitGroup
	begun := time.Now()
	for n := 0; ; n++ {
		due := begun.Add(time.Duration(float64(n) / o.PerSecond * float64(time.Second)))
		if due.Sub(begun) >= o.For || ctx.Err() != nil {
			break
		}
		pause(ctx, time.Until(due))
		out.Sent++
		outstanding.Go(func() { out.send(client, t, o.Work, due) })
	}
	outstanding.Wait()
	return out
}

// send sends one request and returns the status of its response, 0 if there is none. due is when it was to be sent.
func (a *Answers) send(client *fasthttp.HostClient, t Target, work Work, due time.Time) (status int) {
	request, reply := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(reply)
	t.prepare(request, work)
	err := client.Do(request, reply)
	took := time.Since(due)
	status = reply.StatusCode()
	if err != nil {
		status = 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ByStatus[status]++
	a.MaxLatency = max(a.MaxLatency, took)
	switch status {
	case fasthttp.StatusCreated, fasthttp.StatusAccepted:
	case fasthttp.StatusServiceUnavailable:
		if len(reply.Header.Peek(fasthttp.HeaderRetryAfter)) == 0 {
			a.WithoutRetryAfter++
		}
	default:
		if a.FirstFailure == "" {
			a.FirstFailure = describe(reply, err)
		}
	}
	return status
}

// retryPause is how long a client of a crowd waits after a refusal. It ignores Retry-After.
const retryPause = 100 * time.Millisecond

// Crowd is a closed loop whose clients do not wait long after a refusal.
type Crowd struct {
	Clients int
	For     time.Duration
	Work    Work
}

// Run runs the loop and returns after the last response.
func (c Crowd) Run(ctx context.Context, t Target) *Answers {
	client := t.client(c.Clients)
	defer client.CloseIdleConnections()
	out := &Answers{ByStatus: map[int]int{}}
	var clients sync.WaitGroup
	end := time.Now().Add(c.For)
	for range c.Clients {
		clients.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil {
				status := out.send(client, t, c.Work, time.Now())
				if status != fasthttp.StatusCreated && status != fasthttp.StatusAccepted {
					pause(ctx, retryPause)
				}
			}
		})
	}
	clients.Wait()
	for _, n := range out.ByStatus {
		out.Sent += n
	}
	return out
}

// String returns the number of responses by status.
func (a *Answers) String() string {
	return fmt.Sprintf("%d requests, responses %v, max %s", a.Sent, a.ByStatus, a.MaxLatency.Round(time.Millisecond))
}
