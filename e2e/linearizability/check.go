package linearizability

import (
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
	m := newModel(history).porcupine()
	result, info := porcupine.CheckOperationsVerbose(m, steps(history), timeout)
	if result == porcupine.Ok {
		return nil
	}
	file := filepath.Join(dir, fileName(class)+".html")
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = porcupine.VisualizePath(m, info, file)
	}
	if err != nil {
		file = fmt.Sprintf("no picture: %v", err)
	}
	if result == porcupine.Unknown {
		return fmt.Errorf("%s: the check of %d operations did not end within %s (%s)", class, len(history), timeout, file)
	}
	return fmt.Errorf("%s: no order explains the answers to %d operations (%s)", class, len(history), file)
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
