package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What became of a mutant.
const (
	killed     = "killed"
	timedOut   = "timed out"
	lived      = "lived"
	notCovered = "not covered"
	listed     = "listed"
)

// result is what became of a mutant, and by which test.
type result struct {
	Status  string
	By      string `json:",omitempty"`
	Seconds float64
	// Survived has the packages whose tests have not killed it.
	Survived map[string]bool `json:",omitempty"`
}

func (r result) isFinal() bool {
	return r.Status == killed || r.Status == timedOut || r.Status == listed
}

// results is the file in which a run continues. A mutant that was killed stays so until the package changes; the
// others run again when a test changes.
type results struct {
	Source  string // the hash of the package
	Suites  map[string]*suite
	Mutants map[string]result
	Seconds float64
	path    string
}

// load reads the results of a package with this hash; there are none if the package has changed.
func load(path, source string) (*results, error) {
	fresh := &results{Source: source, Suites: map[string]*suite{}, Mutants: map[string]result{}, path: path}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the last results: %w", err)
	}
	var last results
	if err := json.Unmarshal(text, &last); err != nil {
		return nil, fmt.Errorf("read the last results, %s: %w; remove it", path, err)
	}
	if last.Source != source {
		return fresh, nil
	}
	last.path = path
	return &last, nil
}

func (r *results) save() error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("save the results: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(r.path), 0o755); err != nil {
		return fmt.Errorf("save the results: %w", err)
	}
	if err := os.WriteFile(r.path+".new", text, 0o644); err != nil {
		return fmt.Errorf("save the results: %w", err)
	}
	if err := os.Rename(r.path+".new", r.path); err != nil {
		return fmt.Errorf("save the results: %w", err)
	}
	return nil
}

// adopt takes over what a suite has recorded earlier, if it is the same binary, but for tests that failed then.
func (r *results) adopt(s *suite) {
	if last := r.Suites[s.pkg]; last != nil && last.Hash == s.Hash {
		s.Tests = slices.DeleteFunc(last.Tests, func(t *test) bool { return t.Fails })
	}
	r.Suites[s.pkg] = s
}

// again says that a suite has other tests than before: it meets again all that was not killed.
func (r *results) again(pkg string) {
	for _, m := range r.Mutants {
		delete(m.Survived, pkg)
	}
}

// readEquivalent reads the list of mutants that change nothing: a line "package: key", then indented lines that say
// why. It returns the keys of a package.
func readEquivalent(path, pkg string) (map[string]bool, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the list of equivalent mutants: %w", err)
	}
	defer func() { _ = file.Close() }()
	keys := map[string]bool{}
	last, reasoned := "", true
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, " "):
			reasoned = true
		case !reasoned:
			// Several mutants may share the reason below them.
			fallthrough
		default:
			last, reasoned = line, false
			if of, key, found := strings.Cut(line, ": "); !found {
				return nil, fmt.Errorf("%s: %q is no package and key", path, line)
			} else if of == pkg {
				keys[key] = true
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the list of equivalent mutants: %w", err)
	}
	if !reasoned {
		return nil, fmt.Errorf("%s: %q has no reason; add an indented line below it", path, last)
	}
	return keys, nil
}
