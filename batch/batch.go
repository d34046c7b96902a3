// Package batch executes single requests that arrive at the same time by one call.
package batch

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Execute executes requests together: results[i] belongs to requests[i]. The same request may occur more than once. An
// error concerns all requests of the call.
type Execute[Q, R any] func(ctx context.Context, requests []Q) (results []R, err error)

// Options bound the calls of a Batcher.
type Options struct {
	// Size is the number of requests in one call at most.
	Size int
	// Concurrency is the number of calls under way at most.
	Concurrency int
	// Slow is the age of the newest call at which the next request starts another one, within Concurrency. Until then,
	// requests wait for the call under way and go together in the next.
	Slow time.Duration
	// Timeout bounds one call.
	Timeout time.Duration
}

// Batcher combines single requests into calls of its Execute. No request waits for others to join it: one that arrives
// alone is executed immediately, and those that arrive while a call is under way go together in the next. A call holds
// only requests that were made before it began, so a read sees what was written before it. Safe for concurrent use.
type Batcher[Q, R any] struct {
	execute Execute[Q, R]
	options Options

	mu      sync.Mutex
	waiting []*entry[Q, R]
	senders int       // goroutines that call execute, or are about to
	sent    time.Time // when the newest call began
}

// entry is one request. Its caller reads result and err after answered is closed.
type entry[Q, R any] struct {
	request Q
	// values has the values of the caller's context, but not its end.
	values context.Context //nolint:containedctx // handed to the goroutine that calls execute

	answered chan struct{}
	result   R
	err      error
}

// New returns a Batcher that executes requests by execute. All options must be positive.
func New[Q, R any](execute Execute[Q, R], o Options) *Batcher[Q, R] {
	return &Batcher[Q, R]{execute: execute, options: o}
}

// Do returns the result of the request, the error of the call that it was part of, or the error of ctx once that ends.
// The first request of a call lends it the values of its context, such as its trace; no caller's context ends a call,
// because the call answers others as well. So a request whose ctx has ended may be executed all the same.
func (b *Batcher[Q, R]) Do(ctx context.Context, request Q) (R, error) {
	var none R
	if err := ctx.Err(); err != nil {
		return none, err
	}
	e := &entry[Q, R]{request: request, values: context.WithoutCancel(ctx), answered: make(chan struct{})}
	b.enqueue(e)
	select {
	case <-e.answered:
		return e.result, e.err
	case <-ctx.Done():
		b.withdraw(e)
		return none, ctx.Err()
	}
}

// Waiting is the number of requests that are in no call yet.
func (b *Batcher[Q, R]) Waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting)
}

func (b *Batcher[Q, R]) enqueue(e *entry[Q, R]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, e)
	overdue := len(b.waiting) > b.options.Size || time.Since(b.sent) > b.options.Slow
	if b.senders == 0 || b.senders < b.options.Concurrency && overdue {
		b.senders++
		b.sent = time.Now() // so that the next request does not start another sender before this one calls execute
		go b.send()
	}
}

// withdraw removes a request that is in no call yet.
func (b *Batcher[Q, R]) withdraw(e *entry[Q, R]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = slices.DeleteFunc(b.waiting, func(other *entry[Q, R]) bool { return other == e })
}

// next takes the requests of the next call. If it returns none, the sender does not count any more and must end.
func (b *Batcher[Q, R]) next() []*entry[Q, R] {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.waiting), b.options.Size)
	if n == 0 {
		b.waiting, b.senders = nil, b.senders-1
		return nil
	}
	taken := b.waiting[:n]
	b.waiting, b.sent = b.waiting[n:], time.Now()
	return taken
}

// send makes calls until no request waits.
func (b *Batcher[Q, R]) send() {
	for {
		runtime.Gosched() // lets goroutines that are about to make a request enqueue first
		entries := b.next()
		if entries == nil {
			return
		}
		b.answer(entries)
	}
}

func (b *Batcher[Q, R]) answer(entries []*entry[Q, R]) {
	ctx, cancel := context.WithTimeout(entries[0].values, b.options.Timeout)
	defer cancel()
	requests := make([]Q, len(entries))
	for i, e := range entries {
		requests[i] = e.request
	}
	results, err := b.execute(ctx, requests)
	if err == nil && len(results) != len(requests) {
		err = fmt.Errorf("execute returned %d results for %d requests", len(results), len(requests))
	}
	for i, e := range entries {
		if e.err = err; err == nil {
			e.result = results[i]
		}
		close(e.answered)
	}
}
