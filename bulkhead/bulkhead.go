// Package bulkhead keeps what waits for one tenant from taking the places of all.
package bulkhead

import "sync"

// Bulkhead has so many places, half of them for one audience. It is safe for concurrent use.
type Bulkhead struct {
	most int

	mu sync.Mutex
	in int
	of map[string]int // by audience
}

// New makes a Bulkhead of so many places; 0 is no limit.
func New(most int) *Bulkhead { return &Bulkhead{most: most, of: map[string]int{}} }

// Enter takes a place until leave is called, which may be called more than once. It does not wait: ok is false, and leave nil,
// where there is no place for the audience.
func (b *Bulkhead) Enter(audience string) (leave func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full(audience) {
		return nil, false
	}
	b.in++
	b.of[audience]++
	return sync.OnceFunc(func() { b.leave(audience) }), true
}

// Full reports whether there is no place for the audience now.
func (b *Bulkhead) Full(audience string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.full(audience)
}

func (b *Bulkhead) full(audience string) bool {
	return b.most > 0 && (b.in >= b.most || b.of[audience] >= (b.most+1)/2)
}

func (b *Bulkhead) leave(audience string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.in--
	if b.of[audience]--; b.of[audience] == 0 {
		delete(b.of, audience)
	}
}
