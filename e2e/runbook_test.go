package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"minigroups/workflows"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestTheCommandsOfTheRunbook pastes them into a shell, one after the other.
func TestTheCommandsOfTheRunbook(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "runbook.md"))
	if err != nil {
		t.Fatal(err)
	}
	before := map[string]int{}
	for _, schedule := range []string{workflows.ScheduleClasses, workflows.ScheduleGateways} {
		before[schedule], _ = sweeps(t, schedule)
	}
	for _, block := range shellBlock.FindAllStringSubmatch(string(text), -1) {
		for _, line := range strings.Split(strings.TrimSpace(block[1]), "\n") {
			cmd := exec.CommandContext(t.Context(), "bash", "-c", line)
			cmd.Dir, cmd.Env = root, append(os.Environ(), "TEMPORAL_ADDRESS="+sut.cfg.Temporal.Address)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", line, err, out)
			}
		}
	}
	for schedule, n := range before {
		eventually(t, func() error {
			if now, _ := sweeps(t, schedule); now <= n {
				return fmt.Errorf("%s did not run", schedule)
			}
			return nil
		})
	}
}
