package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"minigroups/config"
	"minigroups/minigroup"
	"minigroups/workflows"
)

// runbookAudience separates the classes that the runbook retries from those that other tests left failed.
const runbookAudience = "runbook.example.org"

// section says how to test a section of the runbook. The test runs its commands as an operator who sees the symptom
// would.
type section struct {
	// arrange causes the symptom, and creates the classes that the commands name.
	arrange func(s *runbookCase)
	// meanwhile happens between the commands of "Symptom" and "What to do", settle before those of "Verify".
	meanwhile, settle func(s *runbookCase)
	// verify asserts the effect of the commands.
	verify func(s *runbookCase)
	// shows lists what the first commands must print. It may contain variables of the commands.
	shows []string
}

// runbookCase is the test of one section.
type runbookCase struct {
	*testing.T
	classes []*class
	// restore ends the fault that newStuckClass set.
	restore func()
	env     map[string]string
}

// newClass returns a class that does not exist yet. The commands name it CLASS_ID; the next one OTHER_CLASS_ID.
func (s *runbookCase) newClass() *class {
	c := newClassFor(s.T, runbookAudience)
	s.classes = append(s.classes, c)
	prefix := strings.Repeat("OTHER_", len(s.classes)-1)
	s.env[prefix+"CLASS_ID"], s.env[prefix+"SCOPE"] = c.id.String(), c.scope
	s.env[prefix+"WORKFLOW_ID"] = c.workflowID()
	return c
}

// newStuckClass returns a class whose create retries a room until restore is called.
func (s *runbookCase) newStuckClass(service string) *class {
	c := s.newClass()
	s.restore = c.setFault(service, createFails)
	c.postAsync()
	c.awaitRetryOf(map[string]string{sut.event: "CreateEventRoom", sut.conference: "CreateConferenceRoom"}[service])
	return c
}

// limitRequests restarts the worker with the usual limits for services, until the test ends.
func (s *runbookCase) limitRequests() {
	cfg, file := sut.cfg, filepath.Join(s.TempDir(), "config.yaml")
	cfg.Saga.MaxInFlight = config.Default().Saga.MaxInFlight
	if err := errors.Join(config.Save(file, cfg), sut.restartWorkerWith(s.Context(), file)); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if err := sut.restartWorkerWith(context.Background(), sut.configFile); err != nil {
			s.Error(err)
		}
	})
}

// newRefusedClass returns a class that has failed because conference refused.
func (s *runbookCase) newRefusedClass() *class {
	c := s.newClass()
	restore := c.setFault(sut.conference, createRefused)
	c.post().want(s.T, http.StatusUnprocessableEntity)
	restore()
	return c
}

// awaitReady waits until the first class is real-time, with its rooms and slots.
func (s *runbookCase) awaitReady() {
	s.Helper()
	c := s.classes[0]
	c.assertComplete(c.awaitStatus("real-time").object)
}

// awaitUndone waits until the sweeper has undone the first class, whose run is gone. The sweeper skips rows that
// changed within the last seconds.
func (s *runbookCase) awaitUndone() {
	s.Helper()
	sweepUntil(s.T, workflows.ScheduleClasses, func() error {
		return s.classes[0].isInRowState("failed")
	})
}

func (s *runbookCase) assertFailedAs(c *class, reason string) {
	s.Helper()
	if r := c.awaitFailed(); r.Failure.Type != reason {
		s.Errorf("the class failed as %s, want %s", r.Failure.Type, reason)
	}
}

// awaitCount sweeps until the query returns this number.
func (s *runbookCase) awaitCount(sql string, want int, schedule string) {
	s.Helper()
	sweepUntil(s.T, schedule, func() error {
		var got int
		if err := sut.db.QueryRow(s.Context(), sql).Scan(&got); err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s: %d, want %d", sql, got, want)
		}
		return nil
	})
}

// TestTheViewsAreThoseOfTheRunbook compares them with the table in the runbook.
func TestTheViewsAreThoseOfTheRunbook(t *testing.T) {
	text, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{
		workflows.WaitingFor.Name: "conference", workflows.FailedSince.Name: "2026-11-23T00:00:00Z",
		workflows.OfScope.Name: "math-7b", workflows.OfClass.Name: minigroup.NewClassID("example.org", "math-7b").String(),
	}
	for _, v := range workflows.Views {
		meaning := strings.Replace(v.Meaning, " (2026-11-23T00:00:00Z)", "", 1)
		row := "| " + v.Name + " | `" + v.Of(values[v.Name]) + "` | " + meaning + " |\n"
		if !strings.Contains(string(text), row) {
			t.Errorf("the runbook lacks %s", row)
		}
	}
}

// sectionParts are the parts of a section, in order.
var sectionParts = []string{"**Symptom.**", "**What to do.**", "**Verify.**"}

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestTheRunbook causes the symptom of every section, runs its commands, and asserts their effect.
func TestTheRunbook(t *testing.T) {
	text, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	path := searchPath(t)
	seen := 0
	for _, chapter := range strings.Split(string(text), "\n## ")[1:] {
		heading, body, _ := strings.Cut(chapter, "\n")
		section, known := sections[heading]
		if !known {
			t.Errorf("no test runs %q", heading)
			continue
		}
		seen++
		t.Run(strings.Trim(strings.ReplaceAll(heading, "`", ""), " "), func(t *testing.T) {
			section.run(&runbookCase{T: t, env: map[string]string{
				"PATH": path, "TEMPORAL_ADDRESS": sut.cfg.Temporal.Address,
				"MINIGROUPS_CONFIG": sut.configFile, "AUDIENCE": runbookAudience,
				"API": sut.api, "TOKEN": sut.token, "WORKER": "http://" + sut.cfg.Worker.MetricsListen,
				"API_METRICS": "http://" + sut.cfg.API.MetricsListen,
			}}, body)
		})
	}
	if seen != len(sections) {
		t.Errorf("the runbook has %d of the %d sections that have a test", seen, len(sections))
	}
}

func (x section) run(s *runbookCase, body string) {
	symptom, rest, _ := strings.Cut(body, sectionParts[1])
	remedy, verify, _ := strings.Cut(rest, sectionParts[2])
	for _, part := range sectionParts {
		if rest != "" && strings.Count(body, part) != 1 {
			s.Fatalf("it does not have exactly one part %q", part)
		}
	}
	runStep(x.arrange, s)
	eventually(s, func() error { // Temporal's visibility index lags behind
		shown := s.runBlocks(symptom)
		for _, want := range x.shows {
			if want = os.Expand(want, func(name string) string { return s.env[name] }); !strings.Contains(shown, want) {
				return fmt.Errorf("the commands do not print %q", want)
			}
		}
		return nil
	})
	runStep(x.meanwhile, s)
	s.runBlocks(remedy)
	runStep(x.settle, s)
	s.runBlocks(verify)
	runStep(x.verify, s)
}

func runStep(do func(*runbookCase), s *runbookCase) {
	if do != nil {
		do(s)
	}
}

// runBlocks runs the shell blocks of a part, line by line, and returns what they print.
func (s *runbookCase) runBlocks(text string) string {
	s.Helper()
	var all strings.Builder
	for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		for _, line := range strings.Split(strings.TrimSpace(block[1]), "\n") {
			all.WriteString(s.shell(line))
		}
	}
	return all.String()
}

func (s *runbookCase) shell(line string) string {
	s.Helper()
	cmd := exec.CommandContext(s.Context(), "bash", "-c", line)
	cmd.Dir, cmd.Env = "..", os.Environ()
	for name, value := range s.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	s.Logf("$ %s\n%s", line, out)
	if err != nil {
		s.Errorf("%s: %v", line, err)
	}
	return string(out)
}

// searchPath returns a PATH with the programs that the runbook uses.
func searchPath(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join([]string{sut.bin, filepath.Join(root, ".tools"), os.Getenv("PATH")}, string(os.PathListSeparator))
}
