package harness

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Fault is an injected fault.
type Fault struct {
	On, How  string
	From, To time.Time // To is zero until the fault ends
}

// FaultLog records which faults were injected and when, because a fault excuses some errors.
type FaultLog struct {
	out   io.Writer
	Begun time.Time

	mu   sync.Mutex
	list []Fault
}

// NewFaultLog returns an empty log that also prints each fault to out.
func NewFaultLog(out io.Writer) *FaultLog { return &FaultLog{out: out, Begun: time.Now()} }

// Begin records a fault that lasts until the returned function is called.
func (l *FaultLog) Begin(on, how string) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := len(l.list)
	l.list = append(l.list, Fault{On: on, How: how, From: time.Now()})
	fmt.Fprintf(l.out, "%7.1fs  %s: %s\n", time.Since(l.Begun).Seconds(), on, how)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.list[i].To = time.Now()
	}
}

// During returns the faults of a process or connection that overlap a period.
func (l *FaultLog) During(on string, from, to time.Time) []Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []Fault
	for _, f := range l.list {
		if f.On == on && f.From.Before(to) && (f.To.IsZero() || f.To.After(from)) {
			found = append(found, f)
		}
	}
	return found
}

// Around describes all faults that overlap a period.
func (l *FaultLog) Around(from, to time.Time) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.list {
		if f.From.Before(to) && (f.To.IsZero() || f.To.After(from)) {
			found = append(found, fmt.Sprintf("%s: %s from %.1fs for %.1fs",
				f.On, f.How, f.From.Sub(l.Begun).Seconds(), f.To.Sub(f.From).Seconds()))
		}
	}
	return found
}

// Counts returns how many faults of each kind were injected.
func (l *FaultLog) Counts() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := map[string]int{}
	for _, f := range l.list {
		counts[f.How]++
	}
	return counts
}
