package httpapi

import (
	"time"

	"minigroups/limiter"
	"minigroups/minigroup"
)

// door lets in so many writes at a time, half of them for the minigroups of one audience: whatever waits for the rooms of one
// tenant keeps no other out. Who is not let in is told so at once, so that what waits stays bounded however much is asked for.
type door struct{ *limiter.Limiter }

// enter lets a write in until leave is called, or returns ServiceUnavailable.
func (d door) enter(audience string) (leave func(), err error) {
	leave, ok := d.Acquire(audience)
	if !ok {
		err := minigroup.Errorf(minigroup.ServiceUnavailable, "too many requests are being worked on; nothing was done, and the same request may be sent again")
		err.RetryAfter = time.Second
		return nil, err
	}
	return leave, nil
}
