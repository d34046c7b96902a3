package simulation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"
)

// errInjected is the error of a call that the scheduler lets fail.
var errInjected = errors.New("injected: the connection is lost")

// outcome is what the scheduler decides about a call that waits.
type outcome int

const (
	_ outcome = iota // it goes on
	// fail means that the call never arrives, or that its reply does not.
	fail
	// The outcomes of requests to the services.
	refused
	failed
	hangs
	executedUnanswered
	// commitUnanswered means that the call of the ledger commits, and its answer is lost.
	commitUnanswered
)

// way is a way in which a call can go wrong.
type way struct {
	kind    int // of fault
	what    string
	outcome outcome
}

// weight says how often it happens. Services refuse more often, because that begins an undo.
func (w way) weight() int {
	if w.outcome == refused {
		return 4
	}
	return 1
}

// point is a call of a process that waits for the scheduler's decision.
type point struct {
	process *process
	what    string
	number  int
	// ways are how it can go wrong.
	ways    []way
	decided chan outcome
	// seen means that the scheduler knows it, slow that it goes on when nothing else can.
	seen, slow bool
}

// changes reports whether the ledger or a service may change when the call goes on.
func (at *point) changes() bool {
	return !strings.HasPrefix(at.what, "temporal: ") && !strings.HasPrefix(at.what, "ledger: done")
}

// scheduler holds the calls that wait.
type scheduler struct {
	mu      sync.Mutex
	points  []*point
	number  int
	arrived chan struct{}
	trace   []string
	ids     map[string]int
	began   time.Time
	// changed means that the ledger or the services may have changed since somebody looked.
	changed bool
}

func newScheduler() *scheduler {
	return &scheduler{arrived: make(chan struct{}, 1), ids: map[string]int{}, began: time.Now()}
}

// wait blocks a call of a process until the scheduler has decided about it, or ctx ends. The calls of a process that is
// dead fail at once. There is an error if the call fails.
func (s *scheduler) wait(ctx context.Context, p *process, what string, ways ...way) (outcome, error) {
	s.mu.Lock()
	if p.dead {
		s.mu.Unlock()
		return fail, errInjected
	}
	s.number++
	at := &point{process: p, what: s.named(what), ways: ways, number: s.number, decided: make(chan outcome, 1)}
	s.points = append(s.points, at)
	s.mu.Unlock()
	s.arrive()
	select {
	case o := <-at.decided:
		if o == fail {
			return o, errInjected
		}
		return o, nil
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		s.remove(at)
		return fail, ctx.Err()
	}
}

// arrive says that there is something to decide.
func (s *scheduler) arrive() {
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// tick is how long each step takes at least. The SDK starts local activities some microseconds apart.
const tick = time.Millisecond

// waiting returns the calls that may go on, in an order that does not depend on chance.
func (s *scheduler) waiting() []*point {
	time.Sleep(tick)
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*point
	for _, at := range s.points {
		if !at.process.frozen {
			out = append(out, at)
		}
	}
	slices.SortStableFunc(out, func(a, b *point) int {
		return cmp.Or(strings.Compare(a.process.name, b.process.name), strings.Compare(a.what, b.what),
			cmp.Compare(a.number, b.number))
	})
	return out
}

// goOn lets a call go on.
func (s *scheduler) goOn(at *point) { s.decide(at, way{}) }

// decide lets a call go wrong in a way.
func (s *scheduler) decide(at *point, w way) {
	s.mu.Lock()
	s.remove(at)
	s.mu.Unlock()
	s.changed = s.changed || at.changes()
	if w.what == "" {
		s.note("%s: %s", at.process.name, at.what)
	} else {
		s.note("%s: %s: %s", at.process.name, at.what, w.what)
	}
	at.decided <- w.outcome
}

func (s *scheduler) remove(at *point) {
	s.points = slices.DeleteFunc(s.points, func(other *point) bool { return other == at })
}

// kill lets all calls of a process fail that wait, and those that follow.
func (s *scheduler) kill(p *process) {
	s.mu.Lock()
	p.dead = true
	var of []*point
	s.points = slices.DeleteFunc(s.points, func(at *point) bool {
		if at.process == p {
			of = append(of, at)
		}
		return at.process == p
	})
	s.mu.Unlock()
	for _, at := range of {
		at.decided <- fail
	}
}

// pass lets time pass until there is something to decide, for at most d.
func (s *scheduler) pass(d time.Duration) (arrived bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.arrived:
		return true
	case <-timer.C:
		return false
	}
}

func (s *scheduler) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trace = append(s.trace, fmt.Sprintf("%9.3f ", time.Since(s.began).Seconds())+s.named(fmt.Sprintf(format, args...)))
}

// forgetArrivals is called before looking for what is to be decided.
func (s *scheduler) forgetArrivals() {
	select {
	case <-s.arrived:
	default:
	}
}

var ids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// named replaces the ids in a text by numbers, in the order in which they were seen, because ids are random.
func (s *scheduler) named(text string) string {
	if strings.Count(text, "-") < 4 { // no id
		return text
	}
	return ids.ReplaceAllStringFunc(text, func(id string) string {
		n, ok := s.ids[id]
		if !ok {
			n = len(s.ids) + 1
			s.ids[id] = n
		}
		return fmt.Sprintf("#%d", n)
	})
}
