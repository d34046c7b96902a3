// Package limiter bounds concurrent work so that one audience cannot use all the capacity.
package limiter

import "sync"

// Limiter allows max concurrent holders, at most half of them (rounded up) for one audience. It is safe for concurrent
// use.
type Limiter struct {
	max int

	mu     sync.Mutex
	held   int
	heldBy map[string]int // by audience
}

// New returns a Limiter of the given capacity, the number of concurrent holders; 0 means no limit.
func New(capacity int) *Limiter { return &Limiter{max: capacity, heldBy: map[string]int{}} }

// Acquire takes one unit of capacity and returns the function that releases it. Calling release again has no effect.
// Acquire never waits: without capacity for the audience it returns nil and false.
func (l *Limiter) Acquire(audience string) (release func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full(audience) {
		return nil, false
	}
	l.held++
	l.heldBy[audience]++
	return sync.OnceFunc(func() { l.release(audience) }), true
}

// Full reports whether Acquire would return false for the audience now.
func (l *Limiter) Full(audience string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.full(audience)
}

func (l *Limiter) full(audience string) bool {
	return l.max > 0 && (l.held >= l.max || l.heldBy[audience] >= (l.max+1)/2)
}

func (l *Limiter) release(audience string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held--
	if l.heldBy[audience]--; l.heldBy[audience] == 0 {
		delete(l.heldBy, audience)
	}
}
