package httpapi

import (
	"sync"
	"time"

	"minigroups/minigroup"
)

// door lets in so many writes at a time, half of them for the minigroups of one audience: whatever waits for the rooms of one
// tenant keeps no other out. Who is not let in is told so at once, so that what waits stays bounded however much is asked for.
type door struct {
	most int // 0: no limit

	mu sync.Mutex
	in int
	of map[string]int // by audience
}

func newDoor(most int) *door { return &door{most: most, of: map[string]int{}} }

// enter lets a write in until leave is called, or returns ServiceUnavailable.
func (d *door) enter(audience string) (leave func(), err error) {
	if d.most <= 0 {
		return func() {}, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.in == d.most || d.of[audience] == (d.most+1)/2 {
		err := minigroup.Errorf(minigroup.ServiceUnavailable, "too many requests are being worked on; nothing was done, and the same request may be sent again")
		err.RetryAfter = time.Second
		return nil, err
	}
	d.in++
	d.of[audience]++
	return sync.OnceFunc(func() { d.leave(audience) }), nil
}

func (d *door) leave(audience string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.in--
	if d.of[audience]--; d.of[audience] == 0 {
		delete(d.of, audience)
	}
}
