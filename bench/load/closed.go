package load

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// Closed is a closed loop.
type Closed struct {
	Clients int
	// WarmUp is the time before the Window. Only responses within the Window are measured. A Window with fewer responses
	// than clients is extended until there are as many, at most by four times its duration.
	WarmUp, Window time.Duration
	Work           Work
	// Want is the status of a good response.
	Want int
	// Edge is called at the beginning and at the end of the window.
	Edge func()
}

// Measured has the results of a window.
type Measured struct {
	// Latencies are those of the good responses, ascending.
	Latencies []time.Duration
	// Failed is the number of other responses, and FirstFailure describes one of them.
	Failed       int
	FirstFailure string
	Window       time.Duration
}

// Run runs the loop and returns after the last response. It ends early when ctx ends.
func (c Closed) Run(ctx context.Context, t Target) Measured {
	client := t.client(c.Clients)
	defer client.CloseIdleConnections()
	var phase atomic.Int32 // 0: warm-up, 1: window, 2: ended
	var responses atomic.Int64
	results := make([]Measured, c.Clients)
	var clients sync.WaitGroup
	for i := range results {
		clients.Go(func() { c.loop(client, t, &phase, &responses, &results[i]) })
	}
	pause(ctx, c.WarmUp)
	c.edge()
	begun := time.Now()
	phase.Store(1)
	pause(ctx, c.Window)
	for extra := 0; extra < 4*extensionParts && responses.Load() < int64(c.Clients) && ctx.Err() == nil; extra++ {
		pause(ctx, c.Window/extensionParts)
	}
	phase.Store(2)
	all := Measured{Window: time.Since(begun)}
	c.edge()
	clients.Wait()
	for _, r := range results {
		all.Latencies = append(all.Latencies, r.Latencies...)
		all.Failed += r.Failed
		if all.FirstFailure == "" {
			all.FirstFailure = r.FirstFailure
		}
	}
	slices.Sort(all.Latencies)
	return all
}

// extensionParts is the number of steps in which a Window is extended by its duration.
const extensionParts = 10

func (c Closed) edge() {
	if c.Edge != nil {
		c.Edge()
	}
}

func (c Closed) loop(
	client *fasthttp.HostClient, t Target, phase *atomic.Int32, responses *atomic.Int64, out *Measured,
) {
	request, reply := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(reply)
	for phase.Load() < 2 {
		t.prepare(request, c.Work)
		begun := time.Now()
		err := client.Do(request, reply)
		took := time.Since(begun)
		good := err == nil && reply.StatusCode() == c.Want
		if !good && out.FirstFailure == "" {
			out.FirstFailure = describe(reply, err)
		}
		switch {
		case phase.Load() != 1:
		case good:
			out.Latencies = append(out.Latencies, took)
			responses.Add(1)
		default:
			out.Failed++
		}
		if !good {
			time.Sleep(10 * time.Millisecond) // limits the requests to a server that does not run
		}
	}
}

func describe(reply *fasthttp.Response, err error) string {
	if err != nil {
		return err.Error()
	}
	body := reply.Body()
	return fmt.Sprintf("%d %s", reply.StatusCode(), body[:min(len(body), 300)])
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
