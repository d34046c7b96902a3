package httpapi

import (
	"time"

	"minigroups/limiter"
	"minigroups/minigroup"
)

// writeLimiter limits concurrent writes. It refuses instead of queueing, which bounds the memory of a process under
// load.
type writeLimiter struct{ *limiter.Limiter }

// acquire returns a function that releases the capacity of one write, or ServiceUnavailable if there is none.
func (l writeLimiter) acquire(audience string) (release func(), err error) {
	permit, ok := l.TryAcquire(audience)
	if !ok {
		err := minigroup.Errorf(minigroup.ServiceUnavailable,
			"too many concurrent writes; nothing was done, and the same request may be sent again")
		err.RetryAfter = time.Second
		return nil, err
	}
	return permit.Release, nil
}
