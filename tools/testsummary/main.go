// Command testsummary reads the output of go test -json. It prints a line per package, the output of failed tests, and
// at the end how many tests passed and failed. The exit status is 1 if anything failed or nothing ran.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// event is a line of go test -json; see `go doc test2json`.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of a build; the package may be another
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

type summary struct {
	out            io.Writer
	output         map[string][]string // so far, by package and test
	passed, failed int
	failures       []string
}

func main() {
	s := summary{out: os.Stdout, output: map[string][]string{}}
	begun := time.Now()
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
		os.Exit(1)
	}
	if !s.conclude(time.Since(begun)) {
		os.Exit(1)
	}
}

func (s *summary) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			s.line(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) line(line string) {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil {
		fmt.Fprint(s.out, line)
		return
	}
	key := e.Package + e.ImportPath + "\x00" + e.Test
	switch e.Action {
	case "output", "build-output":
		s.output[key] = append(s.output[key], e.Output)
	case "pass", "skip":
		s.end(e, key)
	case "fail", "build-fail":
		s.fail(e, key)
	}
}

// end counts a test. A skipped test has proved nothing and counts as failed.
func (s *summary) end(e event, key string) {
	switch {
	case e.Test == "" && e.Action == "pass":
		fmt.Fprintf(s.out, "ok    %s  %.1fs\n", e.Package, e.Elapsed)
	case e.Test == "":
		fmt.Fprintf(s.out, "      %s  no tests\n", e.Package)
	case e.Action == "skip":
		s.fail(e, key)
		return
	default:
		s.passed++
	}
	delete(s.output, key)
}

func (s *summary) fail(e event, key string) {
	name := strings.TrimSpace(e.Package + e.ImportPath + " " + e.Test)
	switch {
	case e.Test != "":
		s.failed++
		s.failures = append(s.failures, name)
	case e.Action == "fail":
		// The package cannot be built, or failed outside of a test.
		if !s.hasFailedTest(e.Package) {
			s.failed++
			s.failures = append(s.failures, name)
		}
	}
	fmt.Fprintf(s.out, "FAIL  %s\n", name)
	for _, text := range s.output[key] {
		fmt.Fprint(s.out, "      ", strings.TrimRight(text, "\n"), "\n")
	}
	delete(s.output, key)
	// A test that was running when its package ended has no event for its own end.
	if e.Test == "" {
		for other, output := range s.output {
			if strings.HasPrefix(other, e.Package+"\x00") {
				fmt.Fprint(s.out, "      ", strings.Join(output, "      "))
				delete(s.output, other)
			}
		}
	}
}

func (s *summary) hasFailedTest(pkg string) bool {
	for _, name := range s.failures {
		if strings.HasPrefix(name, pkg+" ") {
			return true
		}
	}
	return false
}

func (s *summary) conclude(took time.Duration) bool {
	fmt.Fprintln(s.out)
	for _, name := range s.failures {
		fmt.Fprintln(s.out, "failed:", name)
	}
	fmt.Fprintf(s.out, "took %s\n%d passed, %d failed\n", took.Round(time.Second), s.passed, s.failed)
	return s.failed == 0 && s.passed > 0
}
