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
	"os/signal"
	"path/filepath"
	"text/tabwriter"
	"time"

	"minigroups/e2e/simulation/search"
)

func main() {
	var s seeds
	flag.StringVar(&s.binary, "binary", "", "the compiled test of the simulation")
	flag.StringVar(&s.dir, "dir", "", "where the output of each search is kept")
	flag.IntVar(&s.scenarios, "n", 10_000, "search that many scenarios with each seed")
	first := flag.Int("seed", 1, "the first seed")
	count := flag.Int("seeds", 100, "search with that many seeds")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := s.run(ctx, *first, *count)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "seeds:", err)
		os.Exit(1)
	}
}

// seeds are searches with one seed each.
type seeds struct {
	binary, dir string
	scenarios   int
}

// file has the output of the search with a seed, once it has ended.
func (s seeds) file(seed int) string {
	return filepath.Join(s.dir, fmt.Sprintf("seed-%d-of-%d.log", seed, s.scenarios))
}

func (s seeds) run(ctx context.Context, first, count int) error {
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return err
	}
	var missing []int
	for seed := first; seed < first+count; seed++ {
		if _, err := os.Stat(s.file(seed)); err != nil {
			missing = append(missing, seed)
		}
	}
	failure := search.ForEach(ctx, missing, func(seed int) error { return s.search(ctx, seed) })
	ok, err := s.table(os.Stdout, first, count)
	if err == nil && !ok {
		err = errors.New("an invariant was violated, or a search is missing")
	}
	return errors.Join(failure, err)
}

// search searches with one seed.
func (s seeds) search(ctx context.Context, seed int) error {
	work, err := os.MkdirTemp("", "simulation")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	out, err := search.Search{
		Binary: s.binary, Pictures: s.dir, Scenarios: s.scenarios, Seed: seed, Shrink: 5 * time.Minute,
	}.Run(ctx, work)
	if err != nil || ctx.Err() != nil {
		return err
	}
	r, err := search.Read(out)
	if err != nil {
		return fmt.Errorf("seed %d: %w: %s", seed, err, out)
	}
	fmt.Fprintf(os.Stderr, "seed %d: %d scenarios in %s %s\n", seed, r.Scenarios, r.Took, r.Violation)
	return os.WriteFile(s.file(seed), []byte(out), 0o600)
}

// table prints what was searched. ok is false if a search is missing or has found a violation.
func (s seeds) table(to io.Writer, first, count int) (ok bool, err error) {
	out := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "seed\tscenarios\tcalls\ttime\tviolations\t")
	var sum search.Result
	searched, violations := 0, 0
	for seed := first; seed < first+count; seed++ {
		text, err := os.ReadFile(s.file(seed))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		r, err := search.Read(string(text))
		if err != nil {
			return false, fmt.Errorf("%s: %w", s.file(seed), err)
		}
		violated := 0
		if r.Violation != "" {
			violated = 1
		}
		fmt.Fprintf(out, "%d\t%d\t%d\t%s\t%d\t\n", seed, r.Scenarios, r.Calls, r.Took.Round(time.Second), violated)
		searched++
		violations += violated
		sum.Scenarios, sum.Calls, sum.Took = sum.Scenarios+r.Scenarios, sum.Calls+r.Calls, sum.Took+r.Took
	}
	fmt.Fprintf(out, "%d seeds\t%d\t%d\t%s\t%d\t\n",
		searched, sum.Scenarios, sum.Calls, sum.Took.Round(time.Second), violations)
	return searched == count && violations == 0, out.Flush()
}
