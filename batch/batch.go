// Package batch answers requests for single keys that arrive at the same time by one query.
package batch

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Load reads the values of keys: values[i] belongs to keys[i]. The same key may occur more than once. An error concerns
// all keys of the call.
type Load[K, V any] func(ctx context.Context, keys []K) (values []V, err error)

// Options bound what a Reader asks of its Load.
type Options struct {
	// Size is the number of keys in one call at most.
	Size int
	// Concurrency is the number of calls under way at most.
	Concurrency int
	// Slow is the age of the newest call at which the next key starts another one, within Concurrency. Until then, keys
	// wait for the call under way and go together in the next.
	Slow time.Duration
	// Timeout bounds one call.
	Timeout time.Duration
}

// Reader combines reads of single keys into calls of its Load. No read waits for others to join it: a read that arrives
// alone is sent immediately, and reads that arrive while a call is under way go together in the next. A call holds only
// keys that were requested before it began, so each read sees what was written before it. Safe for concurrent use.
type Reader[K, V any] struct {
	load    Load[K, V]
	options Options

	mu      sync.Mutex
	waiting []*request[K, V]
	senders int       // goroutines that call load, or are about to
	sent    time.Time // when the newest call began
}

// request is one read. Its caller reads value and err after answered is closed.
type request[K, V any] struct {
	key K
	// values has the values of the caller's context, but not its end.
	values context.Context //nolint:containedctx // handed to the goroutine that calls load

	answered chan struct{}
	value    V
	err      error
}

// New returns a Reader that reads through load. All options must be positive.
func New[K, V any](load Load[K, V], o Options) *Reader[K, V] {
	return &Reader[K, V]{load: load, options: o}
}

// Read returns the value of the key, the error of the load that it was part of, or the error of ctx once that ends. The
// first reader of a call lends it the values of its context, such as its trace; no reader's context ends a call,
// because the call answers others as well.
func (r *Reader[K, V]) Read(ctx context.Context, key K) (V, error) {
	var none V
	if err := ctx.Err(); err != nil {
		return none, err
	}
	req := &request[K, V]{key: key, values: context.WithoutCancel(ctx), answered: make(chan struct{})}
	r.enqueue(req)
	select {
	case <-req.answered:
		return req.value, req.err
	case <-ctx.Done():
		r.withdraw(req)
		return none, ctx.Err()
	}
}

// Waiting is the number of reads that are in no call yet.
func (r *Reader[K, V]) Waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting)
}

func (r *Reader[K, V]) enqueue(req *request[K, V]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, req)
	overdue := len(r.waiting) > r.options.Size || time.Since(r.sent) > r.options.Slow
	if r.senders == 0 || r.senders < r.options.Concurrency && overdue {
		r.senders++
		r.sent = time.Now() // so that the next read does not start another sender before this one calls load
		go r.send()
	}
}

// withdraw removes a request that is in no call yet.
func (r *Reader[K, V]) withdraw(req *request[K, V]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = slices.DeleteFunc(r.waiting, func(other *request[K, V]) bool { return other == req })
}

// next takes the requests of the next call. If it returns none, the sender does not count any more and must end.
func (r *Reader[K, V]) next() []*request[K, V] {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(r.waiting), r.options.Size)
	if n == 0 {
		r.waiting, r.senders = nil, r.senders-1
		return nil
	}
	taken := r.waiting[:n]
	r.waiting, r.sent = r.waiting[n:], time.Now()
	return taken
}

// send calls load until no request waits.
func (r *Reader[K, V]) send() {
	for {
		runtime.Gosched() // lets goroutines that are about to read enqueue first
		requests := r.next()
		if requests == nil {
			return
		}
		r.answer(requests)
	}
}

func (r *Reader[K, V]) answer(requests []*request[K, V]) {
	ctx, cancel := context.WithTimeout(requests[0].values, r.options.Timeout)
	defer cancel()
	keys := make([]K, len(requests))
	for i, req := range requests {
		keys[i] = req.key
	}
	values, err := r.load(ctx, keys)
	if err == nil && len(values) != len(keys) {
		err = fmt.Errorf("load returned %d values for %d keys", len(values), len(keys))
	}
	for i, req := range requests {
		if req.err = err; err == nil {
			req.value = values[i]
		}
		close(req.answered)
	}
}
