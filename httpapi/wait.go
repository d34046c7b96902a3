package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"minigroups/limiter"
	"minigroups/minigroup"
	"minigroups/telemetry"
)

// A read that waits for a change is repeated at every interval at first, and after quickPolls repetitions at every
// fourth one: what changes soon is seen soon.
const (
	quickPolls = 20
	slowdown   = 4
)

// As many waiting reads as a query answers are repeated at the same moment, so that they share it. An interval has some
// such moments, because a thousand reads at once would delay all others.
const (
	readsOfMoment     = 64
	momentsOfInterval = 16
)

// waitingReads are the reads of this process that wait for a change. Between two repetitions they hold nothing but
// their connection to the client.
type waitingReads struct {
	*limiter.Limiter
	interval time.Duration
	began    time.Time
}

// moment returns the moment of an interval at which the read that began last is repeated.
func (w waitingReads) moment() int { return w.Stats().InFlight / readsOfMoment % momentsOfInterval }

// untilNext returns the time to the next repetition of a read that was repeated n times.
func (w waitingReads) untilNext(n, moment int) time.Duration {
	interval := w.interval
	if n >= quickPolls {
		interval *= slowdown
	}
	offset := interval / momentsOfInterval * time.Duration(moment)
	return interval - (time.Since(w.began)+offset)%interval
}

// waitForChange returns how long a read waits for a change, which is the wait of its Prefer header if If-None-Match
// names tags. A wildcard matches whatever changes, so it waits for nothing.
func (s *server) waitForChange(c *gin.Context) time.Duration {
	tags := c.Request.Header.Values("If-None-Match")
	if c.Request.Method != http.MethodGet || len(tags) == 0 || slices.ContainsFunc(tags, isWildcard) {
		return 0
	}
	wait, _ := s.preferredWait(parsePrefer(c.Request.Header.Values("Prefer")))
	return wait
}

// awaitChange waits until a read differs from what the caller has, the wait is over, the process drains or the client
// has gone, and returns the latest representation with the results of its conditions. Beyond the maximum of waiting
// reads it returns immediately. The account is not authorized again: the wait is shorter than a right is cached.
func (s *server) awaitChange(
	c *gin.Context, audience string, wait time.Duration, current representation,
	read func(context.Context) (representation, error),
) (latest representation, notModified bool, err error) {
	permit, free := s.waiting.TryAcquire(audience)
	if !free {
		c.Header("Retry-After", retryWaiting)
		return current, true, nil
	}
	defer permit.Release()
	began, end := time.Now(), s.Requests.Wait()
	latest, notModified, err = s.pollForChange(c, wait, current, read)
	end()
	c.Set(waitedKey, time.Since(began))
	if err == nil {
		c.Header("Preference-Applied", appliedWait(wait))
	}
	return latest, notModified, err
}

// pollForChange repeats a read. It goes on while reads fail because the database is away, and returns the error only if
// that is still so at the end.
func (s *server) pollForChange(
	c *gin.Context, wait time.Duration, current representation, read func(context.Context) (representation, error),
) (representation, bool, error) {
	// Without a trace: it would get a span for each repetition, a hundred or so.
	ctx, cancel := context.WithTimeout(telemetry.WithoutTrace(c.Request.Context()), wait)
	defer cancel()
	moment, failed := s.waiting.moment(), error(nil)
	for n := 0; ; n++ {
		select {
		case <-time.After(s.waiting.untilNext(n, moment)):
		case <-s.Draining:
			c.Header("Retry-After", retryWaiting)
			return current, true, nil
		case <-ctx.Done():
			if c.Request.Context().Err() != nil {
				return current, true, nil // nobody receives an answer, so it must not count as an error
			}
			return current, true, failed
		}
		latest, err := read(ctx)
		var answer *minigroup.Error
		switch {
		case ctx.Err() != nil: // then an error says nothing about the database
		case errors.As(err, &answer):
			return latest, false, err
		case err != nil:
			failed = err
		default:
			notModified, err := latest.checkConditions(c)
			if !notModified {
				return latest, false, err
			}
			current, failed = latest, nil
		}
	}
}

// retryWaiting is the Retry-After of a read that did not wait to the end, in seconds. Without it, clients would repeat
// such a read without a pause.
const retryWaiting = "2"
