package sandbox

import (
	"errors"
	"math/rand/v2"
	"time"

	"minigroups/sandbox/pool"
)

// Connection is one of the database connections that a request needs.
//
// Every request to event or conference takes one, and returns it before its reply. Conference's create of a room with
// rtc_sharing_policy owned inserts the room with the first one, and holds it while it takes a second one for the
// room's default group. As many such creates as the pool has connections wait for each other until the timeout.
//
// A request that gets no connection within the timeout is refused with database_connection_acquisition_failed. Both
// connections have the same refusal. A request whose client hangs up returns its connections at once.
type Connection string

// The connections.
const (
	// FirstConnection is the one without which the request does nothing.
	FirstConnection Connection = "first"
	// SecondConnection is the one without which conference's room stays, never published.
	SecondConnection Connection = "second"
)

// pauses are how long a request holds its connections: before the work, after the work until it takes the second
// connection, and until it has its reply.
type pauses struct{ before, between, after time.Duration }

// pausesOf puts the work at a random point of the service time, so that a client that hangs up within it does so
// sometimes before and sometimes after the work. A second connection is for the second half of the service time.
func (s *service[R]) pausesOf(c *call, fault Fault) pauses {
	if fault.Do == EffectLate {
		delay := time.Duration(fault.DelayMS) * time.Millisecond
		return pauses{before: delay / 2, after: delay - delay/2}
	}
	first := s.ServiceTime
	if c.secondConnection {
		first /= 2
	}
	before := rand.N(max(first, 1)) //nolint:gosec // no secret
	return pauses{before: before, between: first - before, after: s.ServiceTime - first}
}

// withConnections does the work with a connection. A call with a second connection takes it after the work, unless the
// work has failed. The reply is dropped if the client hangs up.
func (s *service[R]) withConnections(c *call, p pauses, work func() reply) reply {
	if refusal := s.acquire(c, FirstConnection); refusal != nil {
		return *refusal
	}
	defer s.pool.Release()
	if !wait(c.Context(), p.before) {
		return dropped
	}
	answer := work()
	if !wait(c.Context(), p.between) {
		return dropped
	}
	if c.secondConnection && answer.status < 300 {
		if refusal := s.acquire(c, SecondConnection); refusal != nil {
			return *refusal
		}
		defer s.pool.Release()
	}
	if !wait(c.Context(), p.after) {
		return dropped
	}
	return answer
}

// longWait is how long a request waits for a connection only if its service is overloaded.
const longWait = 2 * time.Second

// acquire returns nil when the call has got a connection, which the caller releases. Otherwise it returns the refusal,
// or a dropped reply if the client has hung up.
func (s *service[R]) acquire(c *call, which Connection) *reply {
	begun := time.Now()
	err := s.pool.Acquire(c.Context())
	if err == nil {
		return nil
	}
	timedOut := errors.Is(err, pool.ErrTimeout)
	if c.creation != nil && (timedOut || time.Since(begun) >= longWait) {
		c.creation.NoConnection = which
	}
	if !timedOut {
		return &dropped
	}
	refusal := s.problem("database_connection_acquisition_failed", err.Error())
	return &refusal
}
