// Package pool has a database connection pool without connections: it limits and delays requests as the pools of event
// and conference do, which are sqlx's.
package pool

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

// DefaultTimeout is how long event and conference wait for a connection.
const DefaultTimeout = 5 * time.Second

// handover is how long it takes until a connection that one caller has returned serves the next, because sqlx pings it
// first. A caller whose timeout ends meanwhile does not get it, so that callers who wait for each other fail together.
const handover = time.Millisecond

// ErrTimeout is the error of an acquisition that waited for the pool's timeout. Its text is sqlx's.
var ErrTimeout = errors.New("pool timed out while waiting for an open connection")

// Pool grants connections in the order of the requests. It is safe for concurrent use.
//
// A semaphore of golang.org/x/sync would do the same, but cannot be resized and does not report its state.
type Pool struct {
	timeout time.Duration

	mu      sync.Mutex
	state   State
	waiting list.List // of *waiter, the oldest first
}

type waiter struct {
	granted chan struct{} // closed when the connection is granted
	until   time.Time     // when it times out
}

// State is the state of a pool.
type State struct {
	Connections int `json:"connections"` // the size of the pool; 0: unlimited
	InUse       int `json:"in_use"`
	MaxInUse    int `json:"max_in_use"` // the maximum so far
	Waiting     int `json:"waiting"`    // acquisitions in progress
	TimedOut    int `json:"timed_out"`  // acquisitions that failed with ErrTimeout so far
}

// New returns a pool with that many connections, or without a limit if connections is 0. A timeout of 0 is
// DefaultTimeout; no caller gets a connection within less than a few milliseconds.
func New(connections int, timeout time.Duration) *Pool {
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	return &Pool{timeout: timeout, state: State{Connections: connections}}
}

// Acquire takes a connection, which the caller must release. It waits if none is free or an earlier caller waits, and
// returns ErrTimeout after the pool's timeout, or the error of ctx.
func (p *Pool) Acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &waiter{granted: make(chan struct{}), until: time.Now().Add(p.timeout)}
	p.mu.Lock()
	place := p.waiting.PushBack(w)
	p.grant()
	p.mu.Unlock()
	timer := time.NewTimer(p.timeout)
	defer timer.Stop()
	select {
	case <-w.granted:
	case <-ctx.Done():
	case <-timer.C:
	}
	return p.endWait(ctx, place)
}

// endWait returns nil if the waiter has its connection, unless its context has ended. Otherwise it removes the waiter.
func (p *Pool) endWait(ctx context.Context, place *list.Element) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	hasConnection := false
	select {
	case <-place.Value.(*waiter).granted:
		hasConnection = true
	default:
		p.waiting.Remove(place)
	}
	switch err := ctx.Err(); {
	case err != nil && hasConnection:
		p.state.InUse--
		p.grant()
		return err
	case err != nil:
		return err
	case hasConnection:
		return nil
	default:
		p.state.TimedOut++
		return ErrTimeout
	}
}

// Release returns a connection that Acquire has taken.
func (p *Pool) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.InUse--
	p.grant()
}

// Resize changes the number of connections; 0 is without a limit. Connections in use stay in use.
func (p *Pool) Resize(connections int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Connections = connections
	p.grant()
}

// State returns the present state.
func (p *Pool) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state
	s.Waiting = p.waiting.Len()
	return s
}

// grant gives the free connections to the callers that have waited longest. The caller holds the lock.
func (p *Pool) grant() {
	soon := time.Now().Add(handover)
	for e := p.waiting.Front(); e != nil && (p.state.Connections == 0 || p.state.InUse < p.state.Connections); {
		place, w := e, e.Value.(*waiter)
		e = e.Next()
		if w.until.After(soon) {
			p.waiting.Remove(place)
			p.state.InUse++
			p.state.MaxInUse = max(p.state.MaxInUse, p.state.InUse)
			close(w.granted)
		}
	}
}
