package harness

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Fault is something that was done to the world.
type Fault struct {
	On, How  string
	From, To time.Time // To is zero while it lasts
}

// FaultLog remembers what was done to the world and when, for what is excused by it.
type FaultLog struct {
	out   io.Writer
	Begun time.Time

	mu   sync.Mutex
	list []Fault
}

// NewFaultLog makes one that tells out what happens.
func NewFaultLog(out io.Writer) *FaultLog { return &FaultLog{out: out, Begun: time.Now()} }

// Begin notes a fault that lasts until the returned function is called.
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

// During lists the faults on something that touched a time.
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

// Around lists all faults that touched a time, in words.
func (l *FaultLog) Around(from, to time.Time) (words []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.list {
		if f.From.Before(to) && (f.To.IsZero() || f.To.After(from)) {
			words = append(words, fmt.Sprintf("%s: %s from %.1fs for %.1fs", f.On, f.How, f.From.Sub(l.Begun).Seconds(), f.To.Sub(f.From).Seconds()))
		}
	}
	return words
}

// Counts counts the faults by their kind.
func (l *FaultLog) Counts() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := map[string]int{}
	for _, f := range l.list {
		counts[f.How]++
	}
	return counts
}
