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

// slowAnswer is the duration from which an answer counts as a sign of overload. Healthy services take milliseconds.
const slowAnswer = time.Second

// capacity is how many requests a service can take, judged by its answers: an adaptive limit (additive increase,
// multiplicative decrease).
type capacity struct {
	max   int     // 0: no limit
	limit float64 // 1 to max
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

func (c *capacity) report(a Answer) {
	if a.Overloaded || a.Duration > slowAnswer {
		c.limit = max(c.limit/2, 1)
	} else {
		c.limit = min(c.limit+1/c.limit, float64(c.max))
	}
}
