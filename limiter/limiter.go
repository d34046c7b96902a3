// Package bulkhead keeps what waits for one tenant from taking the places of all.
package limiter

import "sync"

// Bulkhead has so many places, half of them for one audience. It is safe for concurrent use.
type Limiter struct {
	max int

	mu     sync.Mutex
	held   int
	heldBy map[string]int // by audience
}

// New makes a Bulkhead of so many places; 0 is no limit.
func New(most int) *Limiter { return &Limiter{max: most, heldBy: map[string]int{}} }

// Enter takes a place until leave is called, which may be called more than once. It does not wait: ok is false, and leave nil,
// where there is no place for the audience.
func (b *Limiter) Acquire(audience string) (leave func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full(audience) {
		return nil, false
	}
	b.held++
	b.heldBy[audience]++
	return sync.OnceFunc(func() { b.release(audience) }), true
}

// Full reports whether there is no place for the audience now.
func (b *Limiter) Full(audience string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.full(audience)
}

func (b *Limiter) full(audience string) bool {
	return b.max > 0 && (b.held >= b.max || b.heldBy[audience] >= (b.max+1)/2)
}

func (b *Limiter) release(audience string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held--
	if b.heldBy[audience]--; b.heldBy[audience] == 0 {
		delete(b.heldBy, audience)
	}
}
