package limiter

import "time"

// Answer is how a service has answered a request.
type Answer struct {
	// Overloaded says that the service is overloaded or away: it has answered so, or not in time, or not at all.
	Overloaded bool
	// Duration is how long the answer took.
	Duration time.Duration
	// RetryAfter is how long an overloaded service asks to wait before the next request; 0 if it does not say.
	RetryAfter time.Duration
}

const (
	// slowAnswer is the duration from which an answer counts as a sign of overload. Healthy services take milliseconds.
	slowAnswer = time.Second
	// probeEvery is how often a request beyond the limit is sent while nothing is answered.
	probeEvery = time.Second
	// pauseAfter is the number of overloaded answers in a row after which requests pause.
	pauseAfter = 5
	// The pauses: doubled after each probe.
	firstPause = time.Second
	maxPause   = 8 * time.Second
	// maxRetryAfter bounds how long requests pause because a service asks for it.
	maxRetryAfter = 30 * time.Second
)

// capacity is how many requests a service can take, judged by its answers: an adaptive limit (additive increase,
// multiplicative decrease) with a circuit breaker below it.
type capacity struct {
	max   int     // 0: no limit, and no pauses
	limit float64 // 1 to max
	// failures counts the overloaded answers since the last other one.
	failures int
	// pause is the length of the present pause; 0 if requests are not paused.
	pause time.Duration
	// probeAt is when one request may be sent although requests are paused, or the limit is reached by requests that are
	// not answered.
	probeAt time.Time
}

func newCapacity(limit int) capacity { return capacity{max: limit, limit: float64(limit)} }

func (c *capacity) setMax(limit int) {
	if full := c.limit == float64(c.max); full || c.limit > float64(limit) {
		c.limit = float64(limit)
	}
	c.max = limit
}

// present is the present limit; 0 if there is none.
func (c *capacity) present() int { return int(c.limit) }

func (c *capacity) paused() bool { return c.pause > 0 }

// admits reports whether one more request may be sent beside those in flight.
func (c *capacity) admits(inFlight int, now time.Time) bool {
	switch {
	case c.max == 0:
		return true
	case inFlight >= c.max:
		return false
	default:
		return (inFlight < c.present() && !c.paused()) || !now.Before(c.probeAt)
	}
}

// sent notes that a request is sent.
func (c *capacity) sent(now time.Time) {
	if c.paused() {
		c.pause = min(2*c.pause, maxPause)
	}
	c.probeAt = now.Add(max(c.pause, probeEvery))
}

// unused notes that a request was not sent, or was cancelled, after sent was called for it: another may be the probe.
func (c *capacity) unused(now time.Time) {
	if c.paused() {
		c.probeAt = now
	}
}

func (c *capacity) report(a Answer, now time.Time) {
	if c.max == 0 {
		return
	}
	if a.Overloaded {
		c.overloaded(min(a.RetryAfter, maxRetryAfter), now)
		return
	}
	c.probeAt = now.Add(probeEvery)
	switch {
	case c.paused(): // the service is back; the limit grows from 1
		c.pause, c.limit = 0, 1
	case a.Duration > slowAnswer:
		c.limit = max(c.limit/2, 1)
	default:
		c.limit = min(c.limit+1/c.limit, float64(c.max))
	}
	c.failures = 0
}

func (c *capacity) overloaded(retryAfter time.Duration, now time.Time) {
	c.failures++
	c.limit = max(c.limit/2, 1)
	if !c.paused() && (c.failures >= pauseAfter || retryAfter > 0) {
		c.pause = firstPause
		c.probeAt = now.Add(c.pause)
	}
	if asked := now.Add(retryAfter); c.paused() && asked.After(c.probeAt) {
		c.probeAt = asked
	}
}
