package main

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// measure tests the mutants of a package that have no result yet.
func measure(ctx context.Context, o options, pkg string, env []string) (row, error) {
	began := time.Now()
	state := filepath.Join(o.root, ".dev", "mutants")
	// The same folder for all packages, so that the go command finds again what it has compiled of the others.
	tree := filepath.Join(state, "tree")
	fmt.Printf("%s: compiling the mutants\n", pkg)
	if err := copyTree(ctx, o.root, tree); err != nil {
		return row{}, err
	}
	mutants, err := list(ctx, o.gremlins, tree, pkg)
	if err != nil {
		return row{}, err
	}
	if mutants, err = compileIn(ctx, tree, pkg, mutants); err != nil {
		return row{}, err
	}
	equivalent, err := readEquivalent(filepath.Join(o.root, "tools/mutants/equivalent.txt"), pkg)
	if err != nil {
		return row{}, err
	}
	known, err := openResults(filepath.Join(state, strings.ReplaceAll(pkg, "/", "-")+".json"), tree, pkg, o.fresh)
	if err != nil {
		return row{}, err
	}
	for _, m := range mutants {
		if equivalent[m.key()] {
			known.Mutants[m.key()] = result{Status: listed}
			delete(equivalent, m.key())
		} else if known.Mutants[m.key()].Status == listed {
			delete(known.Mutants, m.key())
		}
	}
	for key := range equivalent {
		return row{}, fmt.Errorf("equivalent.txt lists a mutant that %s does not have: %s", pkg, key)
	}
	r := runner{o: o, pkg: pkg, known: known}
	for _, of := range append([]string{pkg}, suites[pkg]...) {
		if len(r.remaining(mutants)) == 0 {
			break
		}
		if r.suite, err = record(ctx, tree, of, env, known); err != nil {
			return row{}, err
		}
		if err := r.runAll(ctx, mutants); err != nil {
			return row{}, err
		}
	}
	known.Seconds += time.Since(began).Seconds()
	return summarise(pkg, mutants, known), known.save()
}

func openResults(path, tree, pkg string, fresh bool) (*results, error) {
	files, err := filepath.Glob(filepath.Join(tree, pkg, "*.go"))
	if err != nil {
		return nil, err
	}
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "_test.go") })
	source, err := hash(files...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", pkg, err)
	}
	if fresh {
		source += " " + time.Now().String()
	}
	known, err := load(path, source)
	if known != nil {
		known.Source, _, _ = strings.Cut(source, " ")
	}
	return known, err
}

// record builds the tests of a package, and finds out which of them reach which mutants.
func record(ctx context.Context, tree, pkg string, env []string, known *results) (*suite, error) {
	s, err := buildSuite(ctx, tree, pkg, env)
	if err != nil {
		return nil, err
	}
	known.adopt(s)
	err = s.record(ctx, tree+".trace", func(done, all int) error {
		known.again(pkg)
		if done%25 == 0 || done == all {
			fmt.Printf("recorded %d of %d tests of %s\n", done, all, pkg)
		}
		return known.save()
	})
	return s, err
}

// runner tests mutants.
type runner struct {
	o     options
	pkg   string
	suite *suite

	mu    sync.Mutex
	known *results
	done  int
	live  int
}

// remaining returns the mutants that no suite has killed.
func (r *runner) remaining(mutants []*mutant) (all []*mutant) {
	for _, m := range mutants {
		if !r.known.Mutants[m.key()].isFinal() && strings.Contains(m.key(), r.o.match) {
			all = append(all, m)
		}
	}
	return all
}

// runAll runs the tests of the suite for those that it has not met: at first the cheap tests for all of them, then all
// tests for those that are left, because a mutant that lives costs as much as hundreds that are killed.
func (r *runner) runAll(ctx context.Context, mutants []*mutant) error {
	for _, thorough := range []bool{false, true} {
		todo := slices.DeleteFunc(r.remaining(mutants), func(m *mutant) bool {
			return r.known.Mutants[m.key()].Survived[r.suite.pkg]
		})
		if err := r.pass(ctx, todo, thorough); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) pass(ctx context.Context, todo []*mutant, thorough bool) error {
	r.done, r.live = 0, 0
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan *mutant)
	var workers sync.WaitGroup
	began := time.Now()
	for range r.o.workers {
		workers.Go(func() {
			for m := range queue {
				found, err := r.test(ctx, m, thorough)
				if err == nil {
					err = r.note(m, found, len(todo), began)
				}
				if err != nil {
					cancel(err)
					return
				}
			}
		})
	}
feed:
	for _, m := range todo {
		select {
		case queue <- m:
		case <-ctx.Done():
			break feed
		}
	}
	close(queue)
	workers.Wait()
	return context.Cause(ctx)
}

// note saves the result of a mutant and shows progress.
func (r *runner) note(m *mutant, found result, all int, began time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	if found.Status != killed && found.Status != timedOut {
		r.live++
	}
	if r.done%20 == 0 || r.done == all {
		left := time.Duration(float64(time.Since(began)) / float64(r.done) * float64(all-r.done))
		fmt.Printf("%s with the tests of %s: %d of %d mutants, %d not killed, %s left\n",
			r.pkg, r.suite.pkg, r.done, all, r.live, left.Round(time.Second))
	}
	if found.Status == "" { // after the cheap tests
		return nil
	}
	last := r.known.Mutants[m.key()]
	found.Survived = map[string]bool{}
	maps.Copy(found.Survived, last.Survived)
	if !found.isFinal() {
		found.Survived[r.suite.pkg] = true
	}
	if last.Status == lived && found.Status == notCovered {
		found.Status = lived
	}
	r.known.Mutants[m.key()] = found
	return r.known.save()
}

// cheap is how many batches of a mutant's tests are its cheap tests.
const cheap = 2

// test runs the tests that reach a mutant, or only the cheap ones, until one fails. The result has no status if none of
// the cheap ones fails and there are others.
func (r *runner) test(ctx context.Context, m *mutant, thorough bool) (result, error) {
	began := time.Now()
	r.mu.Lock()
	batches := r.suite.batches(m.ID)
	r.mu.Unlock()
	undecided := !thorough && len(batches) > cheap
	if undecided {
		batches = batches[:cheap]
	}
	for _, tests := range batches {
		expected := time.Duration(seconds(tests) * float64(time.Second))
		timeout := 20*time.Second + 5*expected
		found, err := r.suite.run(ctx, tests, timeout, fmt.Sprintf("MUTANT=%d", m.ID))
		if ctx.Err() != nil {
			return result{}, context.Cause(ctx)
		}
		if err != nil {
			return result{}, err
		}
		if found.failed && !found.timedOut && time.Since(began) > 5*time.Second+2*expected {
			// It may be the machine that was slow: a test fails that waited too long.
			found, err = r.suite.run(ctx, tests, timeout, fmt.Sprintf("MUTANT=%d", m.ID))
			if ctx.Err() != nil {
				return result{}, context.Cause(ctx)
			}
			if err != nil {
				return result{}, err
			}
		}
		if found.failed {
			return r.kill(found, time.Since(began)), nil
		}
	}
	if undecided {
		fmt.Printf("%s/%s:%d: the cheap tests do not kill %s\n", r.pkg, m.File, m.Line, m.key())
		return result{}, nil
	}
	status := lived
	if len(batches) == 0 {
		status = notCovered
	}
	return result{Status: status, Seconds: time.Since(began).Seconds()}, nil
}

// kill credits the test that has failed, so that it comes earlier from then on.
func (r *runner) kill(found outcome, took time.Duration) result {
	r.mu.Lock()
	defer r.mu.Unlock()
	name, _, _ := strings.Cut(found.by, "/")
	for _, t := range r.suite.Tests {
		if t.Name == name {
			t.kills++
		}
	}
	status := killed
	if found.timedOut {
		status = timedOut
	}
	return result{Status: status, By: r.suite.pkg + " " + found.by, Seconds: took.Seconds()}
}

func summarise(pkg string, mutants []*mutant, known *results) row {
	sum := row{pkg: pkg, seconds: known.Seconds}
	for _, m := range mutants {
		sum.all++
		switch known.Mutants[m.key()].Status {
		case killed:
			sum.killed++
		case timedOut:
			sum.timedOut++
		case lived:
			sum.lived++
			fmt.Printf("%s/%s:%d: lived\n  %s: %s\n", pkg, m.File, m.Line, pkg, m.key())
		case notCovered:
			sum.notCovered++
			fmt.Printf("%s/%s:%d: not covered\n  %s: %s\n", pkg, m.File, m.Line, pkg, m.key())
		case listed:
			sum.listed++
		}
	}
	return sum
}
