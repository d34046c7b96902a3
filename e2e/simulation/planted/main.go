// Command planted shows what the simulation can find: it plants one bug after another in a copy of the service, and
// searches for scenarios that violate an invariant.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"minigroups/e2e/simulation/search"
)

func main() {
	only := flag.String("only", "", "plant only the bugs whose name matches this regular expression")
	first := flag.Int("first", 1, "begin with this bug, counted from 1")
	limit := flag.Duration("limit", 10*time.Minute, "how long the search for each bug may take")
	seed := flag.Int("seed", 1, "the seed of the search")
	dir := flag.String("dir", "../.dev/planted", "where the output of each search is written")
	keep := flag.Bool("keep", false, "keep the shrunk scenarios in simulation/testdata, for TestSagas")
	flag.Parse()
	p := planter{limit: *limit, seed: *seed, dir: *dir, keep: *keep}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := p.run(ctx, *first, *only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "planted:", err)
		os.Exit(1)
	}
}

// planter plants bugs.
type planter struct {
	limit time.Duration
	seed  int
	dir   string
	keep  bool
}

func (p planter) run(ctx context.Context, first int, only string) error {
	chosen, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if err := os.MkdirAll(p.dir, 0o750); err != nil {
		return err
	}
	var chosenBugs []int
	for i, b := range bugs {
		if i+1 >= first && chosen.MatchString(b.name) {
			chosenBugs = append(chosenBugs, i)
		}
	}
	found := make([]finding, len(bugs))
	err = search.ForEach(ctx, chosenBugs, func(i int) (err error) {
		if found[i], err = p.search(ctx, bugs[i]); err != nil {
			return fmt.Errorf("%s: %w", bugs[i].name, err)
		}
		fmt.Fprintf(os.Stderr, "%2d of %d, %3.0f s: %s: %s\n",
			i+1, len(bugs), found[i].after.Seconds(), bugs[i].name, cmp.Or(found[i].violation, "NOT FOUND"))
		return nil
	})
	if err != nil {
		return err
	}
	return p.print(found, chosenBugs)
}

// print prints what was found of the bugs.
func (p planter) print(found []finding, chosen []int) error {
	missed := 0
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "bug\tscenarios\tseconds\tsteps\tviolation")
	for _, i := range chosen {
		f := found[i]
		if f.violation == "" {
			missed++
		}
		fmt.Fprintf(table, "%s\t%d\t%.0f\t%d\t%.90s\n",
			bugs[i].name, f.scenarios, f.after.Seconds(), f.steps, cmp.Or(f.violation, "NOT FOUND"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if missed > 0 {
		return fmt.Errorf("%d bugs were not found within %s", missed, p.limit)
	}
	return nil
}

// finding is what the search has found.
type finding struct {
	scenarios int // how many were searched until one violated an invariant
	after     time.Duration
	steps     int // of the shrunk scenario; 0 if it did not violate the invariant each time
	violation string
}

// search builds the simulation with a bug, and runs it.
func (p planter) search(ctx context.Context, b bug) (finding, error) {
	work, err := os.MkdirTemp("", "planted")
	if err != nil {
		return finding{}, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	overlay, err := b.plant(work)
	if err != nil {
		return finding{}, err
	}
	binary := filepath.Join(work, "simulation.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-overlay", overlay, "-o", binary, "./simulation")
	if out, err := build.CombinedOutput(); err != nil {
		return finding{}, fmt.Errorf("%w: %s", err, out)
	}
	bounded, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	began := time.Now()
	out, err := search.Search{
		Binary: binary, Pictures: p.dir, Scenarios: 1_000_000, Seed: p.seed, Shrink: 30 * time.Second,
	}.Run(bounded, work)
	after := time.Since(began)
	if err != nil || ctx.Err() != nil {
		return finding{}, errors.Join(err, ctx.Err())
	}
	name := strings.ReplaceAll(b.name, " ", "-")
	if err := os.WriteFile(filepath.Join(p.dir, name+".txt"), []byte(out), 0o600); err != nil {
		return finding{}, err
	}
	if p.keep {
		if err := keepScenario(work, name); err != nil {
			return finding{}, err
		}
	}
	return read(out, after), nil
}

// keepScenario keeps the shrunk scenario that rapid has written below dir: its decisions, and what it violates.
func keepScenario(dir, name string) error {
	const folder = "testdata/rapid/TestSagas"
	files, err := filepath.Glob(filepath.Join(dir, folder, "*.fail"))
	if err != nil || len(files) == 0 {
		return err
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return err
	}
	var kept []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") || strings.Contains(line, violationMark) {
			kept = append(kept, line)
		}
	}
	to := filepath.Join("simulation", folder)
	if err := os.MkdirAll(to, 0o750); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, "TestSagas-"+name+".fail"), []byte(strings.Join(kept, "")), 0o600)
}

var failedAfter = regexp.MustCompile(`failed after \d+ tests: .*`)

// read reads the output of the search.
func read(out string, after time.Duration) finding {
	f := finding{after: after}
	if r, err := search.Read(out); err == nil { // else it was interrupted
		f.scenarios, f.violation = r.Scenarios, r.Violation
	}
	if f.violation == "" {
		return f
	}
	last := failedAfter.FindString(out)
	if last == "" {
		return f
	}
	_, shrunk, _ := strings.Cut(out, last)
	f.violation = ""
	lines := bufio.NewScanner(strings.NewReader(shrunk))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		switch {
		case step.MatchString(line):
			f.steps++
		case f.violation == "" && strings.Contains(line, violationMark):
			_, f.violation, _ = strings.Cut(line, violationMark)
		}
	}
	return f
}

var step = regexp.MustCompile(`(^|: +)\d+\.\d{3} `)

const violationMark = "violated: "

// plant writes the files with the bug below dir, and returns the file that tells the compiler about them.
func (b bug) plant(dir string) (overlay string, err error) {
	changed := map[string]string{}
	for _, e := range b.edits {
		path, err := filepath.Abs(filepath.Join("..", e.file))
		if err != nil {
			return "", err
		}
		text, ok := changed[path]
		if !ok {
			read, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			text = string(read)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return "", fmt.Errorf("%s contains %d times %q: change the bug", e.file, n, e.old)
		}
		changed[path] = strings.Replace(text, e.old, e.new, 1)
	}
	replace := map[string]string{}
	for path, text := range changed {
		to := filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[path] = to
	}
	encoded, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, encoded, 0o600)
}
