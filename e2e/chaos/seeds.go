package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"minigroups/e2e/harness"
)

// seedResult is what one run has found.
type seedResult struct {
	Seed                          uint64
	Operations                    int64
	Requests, Faults, Rooms       int
	Lost, Violations, Unexplained int
	Seconds                       float64
	// Failed says why the run itself failed; empty if it ended.
	Failed string
}

// newSeedResult returns the result of a run.
func newSeedResult(o options, v result, faults *harness.FaultLog, whole time.Duration) seedResult {
	r := seedResult{
		Seed: o.seed, Operations: v.operations, Requests: v.requests, Rooms: v.made, Lost: v.Lost,
		Violations: len(v.Violations) - v.unexplained, Unexplained: v.unexplained, Seconds: whole.Seconds(),
	}
	for _, n := range faults.Counts() {
		r.Faults += n
	}
	return r
}

func (r seedResult) write(file string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

// campaign is a series of runs with different seeds. Results of the same commit and settings are in one folder.
type campaign struct {
	// dir has seed-N.json, the result of a run, and seed-N.log, what it has printed.
	dir string
	// run makes a run and writes its result.
	run func(ctx context.Context, seed uint64, resultFile, logFile string) error
	out io.Writer
}

func (c campaign) resultFile(seed uint64) string {
	return filepath.Join(c.dir, fmt.Sprintf("seed-%d.json", seed))
}

// runMissing makes the runs that have no result yet. A run that fails does not stop the others; it is made again the
// next time.
func (c campaign) runMissing(ctx context.Context, first uint64, seeds int) error {
	for seed := first; seed < first+uint64(seeds) && ctx.Err() == nil; seed++ { //nolint:gosec // a number of seeds
		file := c.resultFile(seed)
		if r, err := readResult(file); err == nil && r.Failed == "" {
			continue
		}
		logFile := strings.TrimSuffix(file, ".json") + ".log"
		fmt.Fprintf(c.out, "seed %d runs since %s: %s\n", seed, time.Now().Format(time.TimeOnly), logFile)
		begun := time.Now()
		err := c.run(ctx, seed, file, logFile)
		if ctx.Err() != nil {
			_ = os.Remove(file) // an interrupted run has no result
			return ctx.Err()
		}
		if _, missing := os.Stat(file); missing != nil {
			failed := seedResult{Seed: seed, Seconds: time.Since(begun).Seconds(), Failed: fmt.Sprintf("no result: %v", err)}
			if err := failed.write(file); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func readResult(file string) (r seedResult, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text, &r)
}

// results returns the results of a folder by seed.
func (c campaign) results() (list []seedResult, err error) {
	files, err := filepath.Glob(filepath.Join(c.dir, "seed-*.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		r, err := readResult(file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b seedResult) int { return int(a.Seed) - int(b.Seed) }) //nolint:gosec // small
	return list, nil
}

// runSeeds makes the runs of several seeds that have no result yet, and prints a table of all. With report it only
// prints the tables that there are. It returns whether all seeds ended without violations.
func runSeeds(ctx context.Context, o options, out io.Writer) (ok bool, err error) {
	base := filepath.Join(o.root, ".dev", "chaos")
	if o.report {
		return printAll(base, out)
	}
	commit, err := commitOf(ctx, o.root)
	if err != nil {
		return false, err
	}
	c := campaign{dir: filepath.Join(base, commit+" "+o.settings()), out: out}
	c.run = func(ctx context.Context, seed uint64, resultFile, logFile string) error {
		return runAlone(ctx, o, seed, resultFile, logFile)
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return false, err
	}
	runErr := c.runMissing(ctx, o.seed, o.seeds)
	results, err := c.results()
	if err != nil {
		return false, errors.Join(runErr, err)
	}
	return printTable(out, filepath.Base(c.dir), results) && len(results) >= o.seeds, runErr
}

// runAlone makes a run in a process of its own, so that nothing is left of the last one.
func runAlone(ctx context.Context, o options, seed uint64, resultFile, logFile string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	output, err := os.Create(logFile)
	if err != nil {
		return err
	}
	defer output.Close()
	args := []string{
		"-n", strconv.FormatInt(o.operations, 10), "-seed", strconv.FormatUint(seed, 10),
		"-duration", o.duration.String(), "-clients", strconv.Itoa(o.clients), "-root", o.root, "-mqtt", o.mqtt,
		"-event-connections", strconv.Itoa(o.eventConnections),
		"-conference-connections", strconv.Itoa(o.conferenceConnections), "-result", resultFile,
		"-pgbouncer=" + strconv.FormatBool(o.pooler), "-no-faults=" + strconv.FormatBool(o.noFaults),
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is passed on once
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Minute // it stops its processes
	return cmd.Run()
}

// commitOf names the source: its commit, and a hash of what differs from it.
func commitOf(ctx context.Context, root string) (string, error) {
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
		if err != nil {
			return "", fmt.Errorf("git %s: %w", args[0], err)
		}
		return strings.TrimSpace(string(out)), nil
	}
	commit, err := git("rev-parse", "--short=12", "HEAD")
	if err != nil {
		return "", err
	}
	changes, err := git("diff", "HEAD")
	if err != nil || changes == "" {
		return commit, err
	}
	sum := sha256.Sum256([]byte(changes))
	return commit + "+" + hex.EncodeToString(sum[:4]), nil
}
