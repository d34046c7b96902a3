package limiter

import "time"

const (
	// pauseAfter is the number of overloaded answers in a row after which requests pause.
	pauseAfter = 5
	// The pauses: doubled after each probe.
	firstPause = time.Second
	maxPause   = 8 * time.Second
	// maxRetryAfter bounds how long requests pause because a service asks for it.
	maxRetryAfter = 30 * time.Second
)

// breaker is a circuit breaker for the requests of one audience: what a service asks for it may hang while others are
// answered.
type breaker struct {
	// failures counts the overloaded answers since the last other one.
	failures int
	// pause is the length of the present pause; 0 if requests are not paused.
	pause time.Duration
	// probeAt is when one request may be sent although requests are paused.
	probeAt time.Time
}

// paused reports whether requests are paused. Those of an audience without a breaker are not.
func (b *breaker) paused() bool { return b != nil && b.pause > 0 }

// admits reports whether a request may be sent.
func (b *breaker) admits(now time.Time) bool { return !b.paused() || !now.Before(b.probeAt) }

// sent notes that a request is sent.
func (b *breaker) sent(now time.Time) {
	if b.paused() {
		b.pause = min(2*b.pause, maxPause)
		b.probeAt = now.Add(b.pause)
	}
}

// unused notes that a request was not sent, or was cancelled, after sent was called for it: another may be the probe.
func (b *breaker) unused(now time.Time) { b.probeAt = now }

// overloaded notes an overloaded answer. The service may ask for a pause.
func (b *breaker) overloaded(retryAfter time.Duration, now time.Time) {
	b.failures++
	retryAfter = min(retryAfter, maxRetryAfter)
	if !b.paused() && (b.failures >= pauseAfter || retryAfter > 0) {
		b.pause = firstPause
		b.probeAt = now.Add(b.pause)
	}
	if asked := now.Add(retryAfter); b.paused() && asked.After(b.probeAt) {
		b.probeAt = asked
	}
}
