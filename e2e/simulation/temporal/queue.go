package temporal

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// task is a workflow task or an attempt of an activity that a worker may take.
type task interface {
	// String names the task; it does not contain chance.
	String() string
	// kind is workflow or activity.
	kind() string
	// wanted reports whether a worker may still take it.
	wanted() bool
}

// poll is a worker that waits for a task.
type poll struct {
	identity, kind string
	taken          chan task
}

// Delivery is a task and a worker that waits for one of its kind.
type Delivery struct {
	// Identity is that of the worker's client.
	Identity string
	task     task
}

// String names the delivery.
func (d Delivery) String() string { return d.task.kind() + " task " + d.task.String() }

// Deliveries returns what can be delivered now, in an order that does not depend on chance.
func (s *Server) Deliveries() (out []Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks = slices.DeleteFunc(s.tasks, func(t task) bool { return !t.wanted() })
	for _, t := range s.tasks {
		var seen []string
		for _, p := range s.polls {
			if p.kind == t.kind() && !slices.Contains(seen, p.identity) {
				seen = append(seen, p.identity)
				out = append(out, Delivery{Identity: p.identity, task: t})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Delivery) int {
		return cmp.Or(strings.Compare(a.Identity, b.Identity), strings.Compare(a.String(), b.String()))
	})
	return out
}

// Deliver hands a task to a worker.
func (s *Server) Deliver(d Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.polls, func(p *poll) bool { return p.identity == d.Identity && p.kind == d.task.kind() })
	if i < 0 || !d.task.wanted() {
		return
	}
	s.polls[i].taken <- d.task // it has room for one
	s.polls = slices.Delete(s.polls, i, i+1)
	s.withdraw(d.task)
}

// offer adds a task that a worker may take.
func (s *Server) offer(t task) {
	s.tasks = append(s.tasks, t)
	s.offered()
}

func (s *Server) withdraw(t task) {
	s.tasks = slices.DeleteFunc(s.tasks, func(other task) bool { return other == t })
}

// pollTimeout is how long a worker waits for a task before it is told that there is none.
const pollTimeout = time.Hour

// take waits for a task.
func (s *Server) take(ctx context.Context, identity, kind string) (t task, ok bool) {
	mine := &poll{identity: identity, kind: kind, taken: make(chan task, 1)}
	s.mu.Lock()
	s.polls = append(s.polls, mine)
	s.mu.Unlock()
	timeout := time.NewTimer(pollTimeout)
	defer timeout.Stop()
	select {
	case t = <-mine.taken:
		return t, true
	case <-timeout.C:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case t = <-mine.taken:
		if ctx.Err() == nil {
			return t, true
		}
		s.offer(t) // the worker does not take it any more
	default:
		s.polls = slices.DeleteFunc(s.polls, func(other *poll) bool { return other == mine })
	}
	return nil, false
}
