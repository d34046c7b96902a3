package linearizability

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/anishathalye/porcupine"
)

// Check checks the history of each class, each within a timeout. For a class whose answers no order explains, and for
// one whose check did not end, the error has a line with the class and the file of its picture, which is made in the
// folder dir.
func Check(history map[string][]Operation, timeout time.Duration, dir string) error {
	var errs []error
	for _, class := range slices.Sorted(maps.Keys(history)) {
		errs = append(errs, checkTags(class, history[class]), checkClass(class, history[class], timeout, dir))
	}
	return errors.Join(errs...)
}

// checkTags checks that an ETag stands for one body.
func checkTags(class string, history []Operation) error {
	bodies := map[string]string{}
	for _, o := range history {
		a := o.Answer
		if a.ETag == "" || a.Body == "" {
			continue
		}
		if other, ok := bodies[a.ETag]; ok && other != a.Body {
			return fmt.Errorf("%s: ETag %s stands for %s and for %s", class, a.ETag, other, a.Body)
		}
		bodies[a.ETag] = a.Body
	}
	return nil
}

func checkClass(class string, history []Operation, timeout time.Duration, dir string) error {
	m := newModel(history)
	all := steps(history)
	result, info := porcupine.CheckOperationsVerbose(m.porcupine(), all, timeout)
	if result == porcupine.Ok {
		return nil
	}
	file := filepath.Join(dir, fileName(class)+".html")
	if err := keep(m, history, info, file); err != nil {
		file = fmt.Sprintf("no picture: %v", err)
	}
	if result == porcupine.Unknown || m.exceeded {
		return fmt.Errorf("%s: the check of %d operations did not end within %s (%s)", class, len(history), timeout, file)
	}
	return fmt.Errorf("%s: no order explains the answers to %d operations, such as %s (%s)",
		class, len(history), unexplained(all, info), file)
}

// unexplained describes the step that could not follow the longest explanation: of those that it lacks, the one that
// ended first.
func unexplained(all []porcupine.Operation, info porcupine.LinearizationInfo) string {
	var longest []int
	for _, partition := range info.PartialLinearizations() {
		for _, explained := range partition {
			if len(explained) > len(longest) {
				longest = explained
			}
		}
	}
	var first *porcupine.Operation
	for i := range all {
		if !slices.Contains(longest, i) && (first == nil || all[i].Return < first.Return) {
			first = &all[i]
		}
	}
	if first == nil {
		return "none"
	}
	s := first.Input.(step)
	return fmt.Sprintf("%s → %s", s.requested(), s.Answer)
}

// keep writes the picture of a history and, beside it, the history.
func keep(m *model, history []Operation, info porcupine.LinearizationInfo, file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(history, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(strings.TrimSuffix(file, ".html")+".json", text, 0o644); err != nil {
		return err
	}
	return porcupine.VisualizePath(m.porcupine(), info, file)
}

// fileName returns the name of a class without characters that file systems do not like.
func fileName(class string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return '-'
	}, class)
}
