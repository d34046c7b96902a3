package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// test is a test of a suite: what it costs, and which mutants it reaches.
type test struct {
	Name    string
	Seconds float64
	Reaches []int
	Fails   bool // without a mutant: it cannot tell anything
	kills   int
}

// suite is the test binary of a package.
type suite struct {
	Hash  string
	Tests []*test
	pkg   string
	path  string
	dir   string
	env   []string
}

// buildSuite compiles the tests of a package in the tree.
func buildSuite(ctx context.Context, tree, pkg string, env []string) (*suite, error) {
	path := filepath.Join(tree, strings.ReplaceAll(pkg, "/", "-")+".test")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", path, "./"+pkg)
	cmd.Dir = tree
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the tests of %s with mutants: %w\n%s", pkg, err, text)
	}
	sum, err := hash(path)
	if err != nil {
		return nil, fmt.Errorf("build the tests of %s with mutants: %w", pkg, err)
	}
	return &suite{Hash: sum, pkg: pkg, path: path, dir: filepath.Join(tree, pkg), env: env}, nil
}

// outcome is what a run of tests has shown.
type outcome struct {
	failed, timedOut bool
	by               string // the first test that failed
	output           []byte
}

var failure = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// run runs tests with environment variables, and stops what they have started.
func (s *suite) run(ctx context.Context, tests []*test, timeout time.Duration, env ...string) (outcome, error) {
	names := make([]string, len(tests))
	for i, t := range tests {
		names[i] = t.Name
	}
	temp, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return outcome{}, fmt.Errorf("run tests of %s: %w", s.pkg, err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	if err := os.Chmod(temp, 0o755); err != nil { // the account of Postgres enters it
		return outcome{}, fmt.Errorf("run tests of %s: %w", s.pkg, err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout+5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.path, "-test.failfast", "-test.run", "^("+strings.Join(names, "|")+")$",
		"-test.timeout", timeout.String())
	var output bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &output, &output
	cmd.Env = append(append(append(os.Environ(), "TMPDIR="+temp), s.env...), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	result := outcome{output: output.Bytes()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil, bytes.Contains(output.Bytes(), []byte("panic: test timed out after")):
		result.failed, result.timedOut = true, true
	case errors.As(err, &exit):
		result.failed, result.by = true, "exit of the test binary"
		if found := failure.FindSubmatch(output.Bytes()); found != nil {
			result.by = string(found[1])
		}
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return outcome{}, fmt.Errorf("run tests of %s: %w", s.pkg, err)
	}
	return result, nil
}

// record runs each test that is not recorded yet alone, without a mutant, and notes what it reaches.
func (s *suite) record(ctx context.Context, trace string, recorded func(done, all int) error) error {
	cmd := exec.CommandContext(ctx, s.path, "-test.list", ".")
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), s.env...)
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("list the tests of %s: %w", s.pkg, err)
	}
	known := map[string]bool{}
	for _, t := range s.Tests {
		known[t.Name] = true
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if name := strings.TrimSpace(line); strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz") ||
			strings.HasPrefix(name, "Example") {
			names = append(names, name)
		}
	}
	for i, name := range names {
		if known[name] {
			continue
		}
		t := &test{Name: name}
		if err := s.recordTest(ctx, t, trace); err != nil {
			return err
		}
		s.Tests = append(s.Tests, t)
		if err := recorded(i+1, len(names)); err != nil {
			return err
		}
	}
	return nil
}

func (s *suite) recordTest(ctx context.Context, t *test, trace string) error {
	for range 2 { // a test may fail once because the machine is busy
		if err := os.WriteFile(trace, nil, 0o644); err != nil {
			return fmt.Errorf("record %s: %w", t.Name, err)
		}
		began := time.Now()
		result, err := s.run(ctx, []*test{t}, 5*time.Minute, "MUTANT_TRACE="+trace)
		if ctx.Err() != nil { // the test has not failed, but was stopped
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		t.Seconds, t.Fails = time.Since(began).Seconds(), result.failed
		if !result.failed {
			break
		}
		fmt.Printf("%s fails without a mutant:\n%s\n", t.Name, result.output)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		return fmt.Errorf("record %s: %w", t.Name, err)
	}
	for line := range strings.FieldsSeq(string(text)) {
		id, err := strconv.Atoi(line)
		if err != nil {
			return fmt.Errorf("record %s: %w", t.Name, err)
		}
		t.Reaches = append(t.Reaches, id)
	}
	return nil
}

// batches returns the tests that reach a mutant, those first that cost little and have killed many. A batch is one
// process; it may cost four times what the one before it may.
func (s *suite) batches(id int) (all [][]*test) {
	var reaching []*test
	for _, t := range s.Tests {
		if !t.Fails && slices.Contains(t.Reaches, id) {
			reaching = append(reaching, t)
		}
	}
	slices.SortStableFunc(reaching, func(a, b *test) int {
		return cmp.Compare(a.Seconds/float64(1+a.kills), b.Seconds/float64(1+b.kills))
	})
	budget, spent := 1.0, 0.0
	var batch []*test
	for _, t := range reaching {
		if len(batch) > 0 && spent+t.Seconds > budget {
			all = append(all, batch)
			batch, spent, budget = nil, 0, 4*budget
		}
		batch, spent = append(batch, t), spent+t.Seconds
	}
	if len(batch) > 0 {
		all = append(all, batch)
	}
	return all
}

// seconds is what tests have cost together when each ran alone.
func seconds(tests []*test) (sum float64) {
	for _, t := range tests {
		sum += t.Seconds
	}
	return sum
}
