// Command seeds searches scenarios of the simulation with many seeds, as many at once as there are processors. It goes
// on where it was interrupted, and prints a table over all seeds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"text/tabwriter"
	"time"
)

func main() {
	var s search
	flag.StringVar(&s.binary, "binary", "", "the compiled test of the simulation")
	flag.StringVar(&s.dir, "dir", "", "where the output of each search is kept")
	flag.IntVar(&s.scenarios, "n", 10_000, "search that many scenarios with each seed")
	first := flag.Int("seed", 1, "the first seed")
	seeds := flag.Int("seeds", 100, "search with that many seeds")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := s.run(ctx, *first, *seeds)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "seeds:", err)
		os.Exit(1)
	}
}

// search searches scenarios.
type search struct {
	binary, dir string
	scenarios   int
}

// file has the output of the search with a seed, once it has ended.
func (s search) file(seed int) string {
	return filepath.Join(s.dir, fmt.Sprintf("seed-%d-of-%d.log", seed, s.scenarios))
}

func (s search) run(ctx context.Context, first, seeds int) error {
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return err
	}
	next := make(chan int)
	var searches sync.WaitGroup
	var mu sync.Mutex
	var failures []error
	for range runtime.NumCPU() {
		searches.Go(func() {
			for seed := range next {
				err := s.search(ctx, seed)
				mu.Lock()
				failures = append(failures, err)
				mu.Unlock()
			}
		})
	}
	for seed := first; seed < first+seeds && ctx.Err() == nil; seed++ {
		if _, err := os.Stat(s.file(seed)); err != nil {
			next <- seed
		}
	}
	close(next)
	searches.Wait()
	ok, err := s.table(os.Stdout, first, seeds)
	if err == nil && !ok {
		err = errors.New("an invariant was violated, or a search is missing")
	}
	return errors.Join(append(failures, err)...)
}

// search searches with one seed.
func (s search) search(ctx context.Context, seed int) error {
	binary, err := filepath.Abs(s.binary)
	if err != nil {
		return err
	}
	pictures, err := filepath.Abs(s.dir)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "simulation") // where rapid writes the scenario that it has shrunk
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	test := exec.CommandContext(ctx, binary, "-test.run", "TestSagas", "-test.v", "-test.timeout", "0",
		"-rapid.checks", strconv.Itoa(s.scenarios), "-rapid.seed", strconv.Itoa(seed), "-rapid.shrinktime", "5m",
		"-pictures", pictures)
	test.Dir = work
	test.Env = append(os.Environ(), "GOMAXPROCS=1") // one search for each processor is faster than several for all
	test.Cancel = func() error { return test.Process.Signal(os.Interrupt) }
	test.WaitDelay = 10 * time.Second
	out, err := test.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	r, ok := read(out)
	if !ok {
		return fmt.Errorf("seed %d: %w: %s", seed, err, out)
	}
	fmt.Fprintf(os.Stderr, "seed %d: %d scenarios in %s %s\n", seed, r.scenarios, r.took, r.violation)
	return os.WriteFile(s.file(seed), out, 0o600)
}

// table prints what was searched. ok is false if a search is missing or has found a violation.
func (s search) table(to io.Writer, first, seeds int) (ok bool, err error) {
	out := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "seed\tscenarios\tcalls\ttime\tviolations\t")
	var sum result
	searched, violations := 0, 0
	for seed := first; seed < first+seeds; seed++ {
		text, err := os.ReadFile(s.file(seed))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		r, _ := read(text)
		violated := 0
		if r.violation != "" {
			violated = 1
		}
		fmt.Fprintf(out, "%d\t%d\t%d\t%s\t%d\t\n", seed, r.scenarios, r.calls, r.took.Round(time.Second), violated)
		searched++
		violations += violated
		sum.scenarios, sum.calls, sum.took = sum.scenarios+r.scenarios, sum.calls+r.calls, sum.took+r.took
	}
	fmt.Fprintf(out, "%d seeds\t%d\t%d\t%s\t%d\t\n",
		searched, sum.scenarios, sum.calls, sum.took.Round(time.Second), violations)
	return searched == seeds && violations == 0, out.Flush()
}

// result is what one search has found.
type result struct {
	scenarios, calls int
	took             time.Duration
	violation        string
}

var (
	searched = regexp.MustCompile(`(\d+) scenarios with (\d+) calls in (\S+)`)
	violated = regexp.MustCompile(`scenario (\d+) violates an invariant and is shrunk now: .*`)
)

// read reads the output of a search. ok is false if it does not say how the search ended.
func read(out []byte) (r result, ok bool) {
	if match := violated.FindSubmatch(out); match != nil {
		r.scenarios, _ = strconv.Atoi(string(match[1]))
		r.violation = string(match[0])
		return r, true
	}
	match := searched.FindSubmatch(out)
	if match == nil {
		return r, false
	}
	r.scenarios, _ = strconv.Atoi(string(match[1]))
	r.calls, _ = strconv.Atoi(string(match[2]))
	r.took, _ = time.ParseDuration(string(match[3]))
	return r, true
}
