package httpapi

import (
	"time"

	"minigroups/limiter"
	"minigroups/minigroup"
)

// writeLimiter limits concurrent writes, at most half of them for one audience, so that writes which wait for the rooms
// of one tenant do not block others. It refuses instead of queueing, which bounds the memory of a process under load.
type writeLimiter struct{ *limiter.Limiter }

// acquire returns a function that releases the capacity of one write, or ServiceUnavailable if there is none.
func (l writeLimiter) acquire(audience string) (release func(), err error) {
	release, ok := l.Acquire(audience)
	if !ok {
		err := minigroup.Errorf(minigroup.ServiceUnavailable,
			"too many concurrent writes; nothing was done, and the same request may be sent again")
		err.RetryAfter = time.Second
		return nil, err
	}
	return release, nil
}
