package limiter

import (
	"slices"
	"time"
)

// waiter is a request in the queue. It receives its permit on ready.
type waiter struct {
	Request
	ready chan *Permit
}

// queue holds the requests that wait. Audiences take turns. Within an audience, new requests and retries take turns, so
// that a backlog does not block new requests, and the oldest goes first.
type queue struct {
	count int
	lines map[string]*line
	turns []string // the audiences in lines, the next one first
}

// line holds the requests of one audience.
type line struct {
	fresh, retries []*waiter // each sorted by Since
	retryNext      bool
}

func newQueue() queue { return queue{lines: map[string]*line{}} }

func (q *queue) len() int { return q.count }

func (q *queue) lenOf(audience string) int {
	l := q.lines[audience]
	if l == nil {
		return 0
	}
	return len(l.fresh) + len(l.retries)
}

func (q *queue) push(w *waiter) {
	l := q.lines[w.Audience]
	if l == nil {
		l = &line{}
		q.lines[w.Audience] = l
		q.turns = append(q.turns, w.Audience)
	}
	to := l.of(w)
	i, _ := slices.BinarySearchFunc(*to, w.Since, func(other *waiter, since time.Time) int {
		if other.Since.After(since) {
			return 1
		}
		return -1 // behind those of the same age
	})
	*to = slices.Insert(*to, i, w)
	q.count++
}

// pop removes the next request of an audience that may have a permit; nil if there is none.
func (q *queue) pop(may func(audience string) bool) *waiter {
	i := slices.IndexFunc(q.turns, may)
	if i < 0 {
		return nil
	}
	audience := q.turns[i]
	l := q.lines[audience]
	from := &l.fresh
	if len(l.fresh) == 0 || (l.retryNext && len(l.retries) > 0) {
		from = &l.retries
	}
	l.retryNext = from == &l.fresh
	w := (*from)[0]
	q.turns = append(slices.Delete(q.turns, i, i+1), audience)
	q.remove(w)
	return w
}

// remove returns false if the request is not in the queue.
func (q *queue) remove(w *waiter) bool {
	l := q.lines[w.Audience]
	if l == nil {
		return false
	}
	from := l.of(w)
	i := slices.Index(*from, w)
	if i < 0 {
		return false
	}
	*from = slices.Delete(*from, i, i+1)
	q.count--
	if q.lenOf(w.Audience) == 0 {
		delete(q.lines, w.Audience)
		q.turns = slices.DeleteFunc(q.turns, func(other string) bool { return other == w.Audience })
	}
	return true
}

// of is the part of the line in which the request stands.
func (l *line) of(w *waiter) *[]*waiter {
	if w.Retry {
		return &l.retries
	}
	return &l.fresh
}
