package verify

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Logs adds a violation for each log with a panic, a non-deterministic workflow or a deadlock.
func Logs(f *Findings, paths ...string) error {
	var errs []error
	for _, path := range paths {
		text, err := os.ReadFile(path)
		errs = append(errs, err)
		for _, bad := range []string{"panic:", "TMPRL1100", "nondeterminis", "Potential deadlock", "goroutine 1 ["} {
			if i := strings.Index(string(text), bad); i >= 0 {
				f.AddViolation("%s has %q: %.300s", filepath.Base(path), bad, text[i:])
			}
		}
	}
	return errors.Join(errs...)
}
