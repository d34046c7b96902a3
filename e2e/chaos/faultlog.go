package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// fault is something that was done to the world.
type fault struct {
	on, how  string
	from, to time.Time // to is zero while it lasts
}

// faultLog remembers what was done to the world and when, for what is excused by it.
type faultLog struct {
	out   io.Writer
	begun time.Time

	mu   sync.Mutex
	list []fault
}

func newFaultLog(out io.Writer) *faultLog { return &faultLog{out: out, begun: time.Now()} }

// begin notes a fault that lasts until the returned function is called.
func (l *faultLog) begin(on, how string) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := len(l.list)
	l.list = append(l.list, fault{on: on, how: how, from: time.Now()})
	fmt.Fprintf(l.out, "%7.1fs  %s: %s\n", time.Since(l.begun).Seconds(), on, how)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.list[i].to = time.Now()
	}
}

// during lists the faults on something that touched a time.
func (l *faultLog) during(on string, from, to time.Time) []fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []fault
	for _, f := range l.list {
		if f.on == on && f.from.Before(to) && (f.to.IsZero() || f.to.After(from)) {
			found = append(found, f)
		}
	}
	return found
}

// around lists all faults that touched a time, in words.
func (l *faultLog) around(from, to time.Time) (words []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.list {
		if f.from.Before(to) && (f.to.IsZero() || f.to.After(from)) {
			words = append(words, fmt.Sprintf("%s: %s from %.1fs for %.1fs", f.on, f.how, f.from.Sub(l.begun).Seconds(), f.to.Sub(f.from).Seconds()))
		}
	}
	return words
}

// counts counts the faults by their kind.
func (l *faultLog) counts() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := map[string]int{}
	for _, f := range l.list {
		counts[f.how]++
	}
	return counts
}
