package verify_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"minigroups/e2e/verify"
)

func TestLogs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "worker.log")
	text := `{"time":"2026-01-02T03:04:05.5Z","msg":"Potential deadlock detected"}
{"time":"2026-01-02T03:09:00Z","msg":"started"}
{"time":"2026-01-02T03:10:00Z","error":"TMPRL1100"}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	thaw := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	both := []string{"Potential deadlock", "TMPRL1100"}
	for name, c := range map[string]struct {
		thawed []time.Time
		want   []string
	}{
		"a deadlock":                  {want: both},
		"a deadlock right after thaw": {thawed: []time.Time{thaw}, want: []string{"TMPRL1100"}},
		"a deadlock long after thaw":  {thawed: []time.Time{thaw.Add(-time.Minute)}, want: both},
		"a deadlock before the thaw":  {thawed: []time.Time{thaw.Add(time.Second)}, want: both},
	} {
		var f verify.Findings
		if err := verify.Logs(&f, verify.Log{Path: path, Thawed: c.thawed}); err != nil {
			t.Fatal(err)
		}
		if len(f.Violations) != len(c.want) {
			t.Errorf("%s: got %q", name, f.Violations)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(f.Violations[i], want) {
				t.Errorf("%s: got %q", name, f.Violations)
			}
		}
	}
}
