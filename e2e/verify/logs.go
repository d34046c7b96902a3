package verify

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Log is the log of a process.
type Log struct {
	Path string
	// Thawed says when the process was thawed.
	Thawed []time.Time
}

const deadlock = "Potential deadlock"

// afterThaw is how long after a thaw Temporal's SDK may report a deadlock: it has seen no progress of the workflow task
// for as long as the process was frozen, and repeats the task.
const afterThaw = 2 * time.Second

// Logs adds a violation for each log with a panic, a non-deterministic workflow or a deadlock.
func Logs(f *Findings, logs ...Log) error {
	var errs []error
	for _, log := range logs {
		text, err := os.ReadFile(log.Path)
		errs = append(errs, err)
		reported := map[string]bool{}
		for line := range strings.Lines(string(text)) {
			for _, bad := range []string{"panic:", "TMPRL1100", "nondeterminis", deadlock, "goroutine 1 ["} {
				i := strings.Index(line, bad)
				if i < 0 || reported[bad] || (bad == deadlock && log.hasJustThawed(line)) {
					continue
				}
				reported[bad] = true
				f.AddViolation("%s has %q: %.300s", filepath.Base(log.Path), bad, line[i:])
			}
		}
	}
	return errors.Join(errs...)
}

// hasJustThawed reports whether the process was thawed shortly before it wrote the line.
func (l Log) hasJustThawed(line string) bool {
	var entry struct {
		Time time.Time `json:"time"`
	}
	if json.Unmarshal([]byte(line), &entry) != nil {
		return false
	}
	for _, at := range l.Thawed {
		if since := entry.Time.Sub(at); since >= 0 && since < afterThaw {
			return true
		}
	}
	return false
}
