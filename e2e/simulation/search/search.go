// Package search runs searches of the compiled test of the simulation, as processes of their own.
package search

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Search searches scenarios with a seed, until one violates an invariant.
type Search struct {
	// Binary is the compiled test, and Pictures a folder for pictures of what callers saw.
	Binary, Pictures string
	Scenarios, Seed  int
	// Shrink bounds how long a scenario is shrunk that violates an invariant.
	Shrink time.Duration
}

// Run runs the search in a folder, where rapid writes the scenario that it has shrunk, and returns its output. It is
// also interrupted when ctx ends; then it returns what was written until then, and no error.
func (s Search) Run(ctx context.Context, dir string) (out string, err error) {
	binary, err := filepath.Abs(s.Binary)
	if err != nil {
		return "", err
	}
	pictures, err := filepath.Abs(s.Pictures)
	if err != nil {
		return "", err
	}
	test := exec.CommandContext(ctx, binary, "-test.run", "TestSagas", "-test.v", "-test.timeout", "0",
		"-rapid.checks", strconv.Itoa(s.Scenarios), "-rapid.seed", strconv.Itoa(s.Seed),
		"-rapid.shrinktime", s.Shrink.String(), "-pictures", pictures)
	test.Dir = dir
	// One search for each processor is faster than several for all.
	test.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=400")
	test.Cancel = func() error { return test.Process.Signal(os.Interrupt) }
	test.WaitDelay = 10 * time.Second
	text, err := test.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) || ctx.Err() != nil {
		err = nil
	}
	return string(text), err
}

// ForEach calls do for each item, one at once on each processor, and returns when all have returned. It begins no more
// once ctx has ended. The processes that do starts stay on its processor: a search and its Postgres take turns, which
// is faster when neither has to wake another processor.
func ForEach[T any](ctx context.Context, items []T, do func(T) error) error {
	cpus, err := processors()
	if err != nil {
		return err
	}
	next := make(chan T)
	var workers sync.WaitGroup
	var mu sync.Mutex
	var failures []error
	report := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		failures = append(failures, err)
	}
	for _, cpu := range cpus {
		workers.Go(func() {
			runtime.LockOSThread() // for good: a thread that keeps to one processor is not reused
			var here unix.CPUSet
			here.Set(cpu)
			if err := unix.SchedSetaffinity(0, &here); err != nil {
				report(fmt.Errorf("keep to processor %d: %w", cpu, err))
			}
			for item := range next {
				report(do(item))
			}
		})
	}
	for _, item := range items {
		select {
		case next <- item:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	return errors.Join(append(failures, ctx.Err())...)
}

// processors are those that this process may use.
func processors() (cpus []int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("ask for the processors of this process: %w", err)
	}
	for cpu := range 64 * len(set) {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// Result is what a search has found.
type Result struct {
	// Scenarios is their number, until one violated an invariant; Violation is that, as it was found first.
	Scenarios, Calls int
	Took             time.Duration
	Violation        string
}

var (
	searched = regexp.MustCompile(`(\d+) scenarios with (\d+) calls in (\S+)`)
	violated = regexp.MustCompile(`scenario (\d+) violates an invariant and is shrunk now: (.*)`)
)

// ErrUnfinished is the error of Read for a search that was interrupted.
var ErrUnfinished = errors.New("the search has not ended")

// Read reads the output of a search. It returns ErrUnfinished if that does not say how the search has ended.
func Read(out string) (r Result, err error) {
	if match := violated.FindStringSubmatch(out); match != nil {
		r.Scenarios, err = strconv.Atoi(match[1])
		r.Violation = match[2]
		return r, err
	}
	match := searched.FindStringSubmatch(out)
	if match == nil {
		return r, ErrUnfinished
	}
	if _, err = fmt.Sscan(match[1]+" "+match[2], &r.Scenarios, &r.Calls); err == nil {
		r.Took, err = time.ParseDuration(match[3])
	}
	return r, err
}
