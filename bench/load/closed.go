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

// Closed says how a closed loop runs.
type Closed struct {
	Clients int
	// WarmUp is not measured; what is answered within the Window after it is. A Window in which fewer answers come than there
	// are clients goes on until they have, at most for four more.
	WarmUp, Window time.Duration
	Work           Work
	// Want is the status of an answer as it should be.
	Want int
	// Edge is called when the window begins and when it ends.
	Edge func()
}

// Measured is what came of a window.
type Measured struct {
	// Latencies of the answers that were as they should be, ascending.
	Latencies []time.Duration
	// Failed counts the others, and FirstFailure shows one of them.
	Failed       int
	FirstFailure string
	Window       time.Duration
}

// Run runs the loop and returns when the last answer has come. A ctx that ends, ends it early.
func (c Closed) Run(ctx context.Context, t Target) Measured {
	client := t.client(c.Clients)
	defer client.CloseIdleConnections()
	var phase atomic.Int32 // 0 warm-up, 1 window, 2 over
	var answered atomic.Int64
	results := make([]Measured, c.Clients)
	var clients sync.WaitGroup
	for i := range results {
		clients.Go(func() { c.loop(client, t, &phase, &answered, &results[i]) })
	}
	pause(ctx, c.WarmUp)
	c.edge()
	begun := time.Now()
	phase.Store(1)
	pause(ctx, c.Window)
	for extra := 0; extra < 4*extraParts && answered.Load() < int64(c.Clients) && ctx.Err() == nil; extra++ {
		pause(ctx, c.Window/extraParts)
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

// extraParts is in how many parts a Window goes on.
const extraParts = 10

func (c Closed) edge() {
	if c.Edge != nil {
		c.Edge()
	}
}

func (c Closed) loop(client *fasthttp.HostClient, t Target, phase *atomic.Int32, answered *atomic.Int64, out *Measured) {
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
			answered.Add(1)
		default:
			out.Failed++
		}
		if !good {
			time.Sleep(10 * time.Millisecond) // a server that is not there must not be asked a hundred thousand times
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
