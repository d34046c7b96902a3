// Package limiter bounds the requests that a process has in flight to one service, so that the process cannot overload
// the service, and so that no audience can use all of the capacity.
package limiter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Limiter gives permits for requests to one service. It is safe for concurrent use.
//
// The limit is at most the configured maximum. It is halved when the service is overloaded or slow, and grows again
// with the answers. After several overloaded answers in a row requests pause, and one probe at a time is sent until one
// of them is answered (see capacity).
//
// While requests of several audiences arrive, one audience holds at most half of the maximum, rounded up. Requests
// beyond the limit wait in a bounded queue that is fair to audiences (see queue).
type Limiter struct {
	maxWaiting int

	mu       sync.Mutex
	capacity capacity
	inFlight int
	heldBy   map[string]int // by audience
	queue    queue
	// latest is the audience of the latest request, which arrived at latestAt. othersAt is when the latest request of any
	// other audience arrived.
	latest             string
	latestAt, othersAt time.Time
	// wake is set while requests wait for a probe.
	wake *time.Timer
}

// New returns a Limiter of at most limit permits, for which at most maxWaiting requests of each audience wait. A limit
// of 0 means none.
func New(limit, maxWaiting int) *Limiter {
	return &Limiter{
		maxWaiting: maxWaiting, capacity: newCapacity(limit), heldBy: map[string]int{}, queue: newQueue(),
	}
}

// Request asks for a permit.
type Request struct {
	// Audience is whom the request is for; empty for maintenance, which is treated as an audience of its own.
	Audience string
	// Retry says that the request was attempted before. Since is when it was first attempted; by default, now.
	Retry bool
	Since time.Time
}

// Acquire waits for a permit until ctx ends. An error says why there is none; then nothing must be sent.
func (l *Limiter) Acquire(ctx context.Context, r Request) (*Permit, error) {
	p, w, err := l.grantOrQueue(r)
	if w == nil {
		return p, err
	}
	select {
	case p := <-w.ready:
		return p, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.queue.remove(w) { // granted in the meantime
		l.release(<-w.ready)
	}
	l.dispatch(time.Now())
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, fmt.Errorf("not sent: %w", context.Cause(ctx))
	}
	return nil, fmt.Errorf("not sent: no capacity in time; %s", l.state(time.Now()))
}

// grantOrQueue returns a permit, or the waiter that stands in the queue, or an error if the queue is full.
func (l *Limiter) grantOrQueue(r Request) (*Permit, *waiter, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.note(r.Audience, now)
	if l.free(r.Audience, now) {
		return l.grant(r.Audience, now), nil, nil
	}
	if n := l.queue.lenOf(r.Audience); n >= l.maxWaiting {
		return nil, nil, fmt.Errorf("not sent: %d requests of the audience wait already; %s", n, l.state(now))
	}
	if r.Since.IsZero() {
		r.Since = now
	}
	w := &waiter{Request: r, ready: make(chan *Permit, 1)}
	l.queue.push(w)
	l.dispatch(now)
	return nil, w, nil
}

// TryAcquire returns a permit without waiting, or false.
func (l *Limiter) TryAcquire(audience string) (*Permit, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.note(audience, now)
	if !l.free(audience, now) {
		return nil, false
	}
	return l.grant(audience, now), true
}

// Free reports whether a request of the audience would get a permit without waiting now.
func (l *Limiter) Free(audience string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.free(audience, time.Now())
}

// SetMax changes the maximum. Permits that are held stay valid.
func (l *Limiter) SetMax(limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.capacity.setMax(limit)
	l.dispatch(time.Now())
}

// Permit is the right to send requests, one at a time. Release must be called.
type Permit struct {
	limiter  *Limiter
	audience string
	// reported says that a request was sent with it and has ended.
	reported, released bool
}

// Report tells the limiter how the service has answered a request.
func (p *Permit) Report(a Answer) {
	p.limiter.mu.Lock()
	defer p.limiter.mu.Unlock()
	p.reported = true
	p.limiter.capacity.report(a, time.Now())
	p.limiter.dispatch(time.Now())
}

// Release returns the permit. Calling it again has no effect.
func (p *Permit) Release() {
	l := p.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release(p)
	l.dispatch(time.Now())
}

// Stats describes a Limiter.
type Stats struct {
	// Limit is the present limit, 0 if there is none.
	Limit int
	// InFlight and Waiting count requests.
	InFlight, Waiting int
	// Paused says that no permits are given, or one at a time, because the service is overloaded or away.
	Paused bool
}

// Stats returns the present state.
func (l *Limiter) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{
		Limit: l.capacity.present(), InFlight: l.inFlight, Waiting: l.queue.len(), Paused: l.capacity.paused(),
	}
}

// state describes in a few words what a request waits for. The caller holds l.mu.
func (l *Limiter) state(now time.Time) string {
	if at := l.capacity.probeAt; l.capacity.paused() && at.After(now) {
		return "the service is overloaded or away, and the next request may be sent at " + at.UTC().Format(time.TimeOnly)
	}
	return fmt.Sprintf("%d requests are in flight, the limit is %d", l.inFlight, l.capacity.present())
}

// free reports whether a request of the audience that arrives now gets a permit at once. The caller holds l.mu.
func (l *Limiter) free(audience string, now time.Time) bool {
	return l.queue.len() == 0 && l.capacity.admits(l.inFlight, now) && l.mayHoldMore(audience, now)
}

// sharedFor is how long an audience leaves half of the limit to others after one of them has sent a request.
const sharedFor = 10 * time.Minute

// mayHoldMore reports whether the audience holds less than its share. The caller holds l.mu.
func (l *Limiter) mayHoldMore(audience string, now time.Time) bool {
	limit := l.capacity.max
	if limit > 0 && now.Sub(l.othersAt) < sharedFor {
		limit = (limit + 1) / 2
	}
	return limit == 0 || l.heldBy[audience] < limit
}

// note records which audiences send requests. The caller holds l.mu.
func (l *Limiter) note(audience string, now time.Time) {
	if audience == "" {
		return
	}
	if l.latest != audience {
		l.othersAt = l.latestAt
	}
	l.latest, l.latestAt = audience, now
}

// grant gives a permit. The caller holds l.mu and has asked whether it may.
func (l *Limiter) grant(audience string, now time.Time) *Permit {
	l.capacity.sent(now)
	l.inFlight++
	l.heldBy[audience]++
	return &Permit{limiter: l, audience: audience}
}

// release takes a permit back. The caller holds l.mu.
func (l *Limiter) release(p *Permit) {
	if p.released {
		return
	}
	p.released = true
	if !p.reported {
		l.capacity.unused(time.Now())
	}
	l.inFlight--
	if l.heldBy[p.audience]--; l.heldBy[p.audience] == 0 {
		delete(l.heldBy, p.audience)
	}
}

// dispatch gives permits to the requests that wait, and arranges that it is called when a probe is due. The caller
// holds l.mu.
func (l *Limiter) dispatch(now time.Time) {
	for l.capacity.admits(l.inFlight, now) {
		w := l.queue.pop(func(audience string) bool { return l.mayHoldMore(audience, now) })
		if w == nil {
			break
		}
		w.ready <- l.grant(w.Audience, now)
	}
	if l.wake != nil {
		l.wake.Stop()
		l.wake = nil
	}
	if wait := l.capacity.probeAt.Sub(now); wait > 0 && l.queue.len() > 0 {
		l.wake = time.AfterFunc(wait, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.dispatch(time.Now())
		})
	}
}
