package load

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// Open says how an open loop runs.
type Open struct {
	// PerSecond requests begin, each at its moment, for so long.
	PerSecond float64
	For       time.Duration
	Work      Work
}

// maxOutstanding bounds the connections of an open loop.
const maxOutstanding = 8192

// Answers are what came of many requests.
type Answers struct {
	// Sent counts the requests, and ByStatus their answers; 0 is none.
	Sent     int
	ByStatus map[int]int
	// Unhinted counts the 503s that did not say when to come back.
	Unhinted int
	// Longest is the longest time from the moment at which a request was due to its answer.
	Longest time.Duration
	// FirstFailure shows an answer that was neither 201, 202 nor 503.
	FirstFailure string

	mu sync.Mutex
}

// Run sends the requests and returns when the last is answered.
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
		outstanding.Go(func() { out.ask(client, t, o.Work, due) })
	}
	outstanding.Wait()
	return out
}

// ask sends one request that was due at that moment, and returns the status of its answer; 0 is none.
func (a *Answers) ask(client *fasthttp.HostClient, t Target, work Work, due time.Time) (status int) {
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
	a.Longest = max(a.Longest, took)
	switch status {
	case fasthttp.StatusCreated, fasthttp.StatusAccepted:
	case fasthttp.StatusServiceUnavailable:
		if len(reply.Header.Peek(fasthttp.HeaderRetryAfter)) == 0 {
			a.Unhinted++
		}
	default:
		if a.FirstFailure == "" {
			a.FirstFailure = describe(reply, err)
		}
	}
	return status
}

// impatience is how long a client of a crowd waits after a refusal, whatever it was told.
const impatience = 100 * time.Millisecond

// Crowd has so many clients ask for so long, each as soon as it is answered, or impatiently soon after a refusal.
type Crowd struct {
	Clients int
	For     time.Duration
	Work    Work
}

// Run returns when the last request is answered.
func (c Crowd) Run(ctx context.Context, t Target) *Answers {
	client := t.client(c.Clients)
	defer client.CloseIdleConnections()
	out := &Answers{ByStatus: map[int]int{}}
	var clients sync.WaitGroup
	end := time.Now().Add(c.For)
	for range c.Clients {
		clients.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil {
				if status := out.ask(client, t, c.Work, time.Now()); status != fasthttp.StatusCreated && status != fasthttp.StatusAccepted {
					pause(ctx, impatience)
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

// String tells the answers by status.
func (a *Answers) String() string {
	return fmt.Sprintf("%d sent, answered %v, longest %s", a.Sent, a.ByStatus, a.Longest.Round(time.Millisecond))
}
