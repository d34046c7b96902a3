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
// with the answers (see capacity). After several overloaded answers in a row to one audience, its requests pause, and
// one probe at a time is sent until one of them is answered (see breaker).
//
// The requests of one audience may hang while others are answered. So a request that has not been answered for a second
// counts for the maximum only, not for the limit. One audience never holds the last permit of the maximum, if that is
// more than one, and while requests of several audiences arrive, it holds at most half, rounded up.
//
// Requests beyond the limit wait in a bounded queue that is fair to audiences (see queue).
type Limiter struct {
	maxWaiting int

	mu       sync.Mutex
	capacity capacity
	inFlight map[*Permit]struct{}
	heldBy   map[string]int      // by audience
	breakers map[string]*breaker // by audience, if it has had an overloaded answer since the last other one
	queue    queue
	// latest is the audience of the latest request, which arrived at latestAt. othersAt is when the latest request of any
	// other audience arrived.
	latest             string
	latestAt, othersAt time.Time
	// wake is set while requests wait that may be sent later although none is answered.
	wake *time.Timer
}

// New returns a Limiter of at most limit permits, for which at most maxWaiting requests of each audience wait. A limit
// of 0 means none.
func New(limit, maxWaiting int) *Limiter {
	return &Limiter{
		maxWaiting: maxWaiting, capacity: newCapacity(limit), queue: newQueue(),
		inFlight: map[*Permit]struct{}{}, heldBy: map[string]int{}, breakers: map[string]*breaker{},
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
	return nil, fmt.Errorf("not sent: no capacity in time; %s", l.state(r.Audience, time.Now()))
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
		return nil, nil, fmt.Errorf("not sent: %d requests of the audience wait already; %s", n, l.state(r.Audience, now))
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
	// since is when its present request could be sent.
	since time.Time
	// probe says that requests of the audience were paused. reported says that a request was sent with it and has ended.
	probe, reported, released bool
}

// Report tells the limiter how the service has answered a request.
func (p *Permit) Report(a Answer) {
	l := p.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	p.reported, p.since = true, now
	l.report(p, a, now)
	l.dispatch(now)
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
	// Paused is the number of audiences whose requests are paused, but for one at a time, because the service is
	// overloaded or away, at least for them.
	Paused int
}

// Stats returns the present state.
func (l *Limiter) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{Limit: l.capacity.present(), InFlight: len(l.inFlight), Waiting: l.queue.len()}
	for _, b := range l.breakers {
		if b.paused() {
			s.Paused++
		}
	}
	return s
}

// state describes in a few words what a request of the audience waits for. The caller holds l.mu.
func (l *Limiter) state(audience string, now time.Time) string {
	if b := l.breakers[audience]; !b.admits(now) {
		return "the service is overloaded or away for this audience, and the next request may be sent at " +
			b.probeAt.UTC().Format(time.TimeOnly)
	}
	return fmt.Sprintf("%d requests are in flight, the limit is %d", len(l.inFlight), l.capacity.present())
}

// free reports whether a request of the audience that arrives now gets a permit at once. Those of other audiences that
// wait could not have it. The caller holds l.mu.
func (l *Limiter) free(audience string, now time.Time) bool {
	return l.queue.lenOf(audience) == 0 && l.admits(audience, now)
}

// admits reports whether a request of the audience may be sent. The caller holds l.mu.
func (l *Limiter) admits(audience string, now time.Time) bool {
	switch b := l.breakers[audience]; {
	case l.capacity.max == 0:
		return true
	case len(l.inFlight) >= l.capacity.max || !l.mayHoldMore(audience, now):
		return false
	case b.paused():
		return b.admits(now)
	default:
		expected, _ := l.expected(now)
		return expected < l.capacity.present()
	}
}

// expected returns the number of requests that may be answered soon, and when that is over for the first of them. The
// caller holds l.mu.
func (l *Limiter) expected(now time.Time) (n int, until time.Time) {
	for p := range l.inFlight {
		if slow := p.since.Add(slowAnswer); slow.After(now) {
			n++
			if until.IsZero() || slow.Before(until) {
				until = slow
			}
		}
	}
	return n, until
}

// sharedFor is how long an audience leaves half of the limit to others after one of them has sent a request.
const sharedFor = 10 * time.Minute

// mayHoldMore reports whether the audience holds less than its share. The caller holds l.mu.
func (l *Limiter) mayHoldMore(audience string, now time.Time) bool {
	share := max(l.capacity.max-1, 1)
	if now.Sub(l.othersAt) < sharedFor {
		share = (l.capacity.max + 1) / 2
	}
	return l.heldBy[audience] < share
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
	b := l.breakers[audience]
	p := &Permit{limiter: l, audience: audience, since: now, probe: b.paused()}
	b.sent(now)
	l.inFlight[p] = struct{}{}
	l.heldBy[audience]++
	return p
}

// report notes an answer. The caller holds l.mu.
func (l *Limiter) report(p *Permit, a Answer, now time.Time) {
	if l.capacity.max == 0 {
		return
	}
	if !p.probe {
		l.capacity.report(a)
	}
	if !a.Overloaded {
		delete(l.breakers, p.audience)
		return
	}
	b := l.breakers[p.audience]
	if b == nil {
		b = &breaker{}
		l.breakers[p.audience] = b
	}
	b.overloaded(a.RetryAfter, now)
}

// release takes a permit back. The caller holds l.mu.
func (l *Limiter) release(p *Permit) {
	if p.released {
		return
	}
	p.released = true
	if b := l.breakers[p.audience]; b.paused() && p.probe && !p.reported {
		b.unused(time.Now())
	}
	delete(l.inFlight, p)
	if l.heldBy[p.audience]--; l.heldBy[p.audience] == 0 {
		delete(l.heldBy, p.audience)
	}
}

// dispatch gives permits to the requests that wait, and arranges that it is called when the next may be sent although
// none is answered. The caller holds l.mu.
func (l *Limiter) dispatch(now time.Time) {
	for {
		w := l.queue.pop(func(audience string) bool { return l.admits(audience, now) })
		if w == nil {
			break
		}
		w.ready <- l.grant(w.Audience, now)
	}
	if l.wake != nil {
		l.wake.Stop()
		l.wake = nil
	}
	if next := l.next(now); !next.IsZero() {
		l.wake = time.AfterFunc(next.Sub(now), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.dispatch(time.Now())
		})
	}
}

// next returns when the first of those that wait may be sent although none is answered, or the zero time if none waits
// for that. The caller holds l.mu.
func (l *Limiter) next(now time.Time) (first time.Time) {
	_, slow := l.expected(now)
	for _, audience := range l.queue.turns {
		at := slow
		if b := l.breakers[audience]; b.paused() {
			at = b.probeAt
		}
		if at.After(now) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}
