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

	"minigroups/minigroup"
	"minigroups/workflows"
)

// runbookAudience keeps what the runbook retries apart from what other tests have left failed.
const runbookAudience = "runbook.example.org"

// A section of the runbook is run as somebody would who has its symptom.
type section struct {
	// appear makes the symptom, and names the classes that the commands mean.
	arrange func(s *runbookCase)
	// mend is what somebody else does between looking and doing, and settle what happens before one looks again.
	meanwhile, settle func(s *runbookCase)
	// well asserts what the commands have brought about.
	verify func(s *runbookCase)
	// shows lists what looking must tell, with the variables of the commands in it.
	shows []string
}

// symptom is what a section is tried on.
type runbookCase struct {
	*testing.T
	// classes are what the commands call CLASS_ID and OTHER_CLASS_ID.
	classes []*class
	// restore ends the fault that was made.
	restore func()
	env     map[string]string
}

// class makes a class for the commands, and nothing of it anywhere yet.
func (s *runbookCase) newClass() *class {
	c := newClassFor(s.T, runbookAudience)
	s.classes = append(s.classes, c)
	prefix := strings.Repeat("OTHER_", len(s.classes)-1)
	s.env[prefix+"CLASS_ID"], s.env[prefix+"SCOPE"], s.env[prefix+"WORKFLOW_ID"] = c.id.String(), c.scope, c.workflowID()
	return c
}

// stuck is a class whose create waits at a service, in sight of the UI, until restore is called.
func (s *runbookCase) newStuckClass(service string) *class {
	c := s.newClass()
	s.restore = c.setFault(service, createFails)
	c.postAsync()
	c.awaitRetryOf(map[string]string{sut.event: "CreateEventRoom", sut.conference: "CreateConferenceRoom"}[service])
	return c
}

// refused is a class that has failed because conference refused.
func (s *runbookCase) newRefusedClass() *class {
	c := s.newClass()
	restore := c.setFault(sut.conference, createRefused)
	c.post().want(s.T, http.StatusUnprocessableEntity)
	restore()
	return c
}

// healed waits until the class is there, with all that belongs to it.
func (s *runbookCase) awaitReady() {
	s.Helper()
	c := s.classes[0]
	c.assertComplete(c.awaitStatus("real-time").object)
}

// swept waits until the sweeper has had the class undone, whose run is gone: it leaves alone what a run has only just
// left.
func (s *runbookCase) awaitUndone() {
	s.Helper()
	sweepUntil(s.T, workflows.ScheduleClasses, func() error {
		if state := s.classes[0].rowState(); state != "failed" {
			return fmt.Errorf("it is %s", state)
		}
		return nil
	})
}

func (s *runbookCase) assertFailedAs(c *class, reason string) {
	s.Helper()
	if r := c.awaitFailed(); r.Failure.Type != reason {
		s.Errorf("it failed as %s, want %s", r.Failure.Type, reason)
	}
}

// sections are those of the runbook, by their heading.
var sections = map[string]section{
	"Before you start": {
		arrange: func(s *runbookCase) { s.newStuckClass(sut.conference).awaitAttention("CreateConferenceRoom") },
		verify: func(s *runbookCase) {
			s.restore()
			s.shell(`temporal activity reset --workflow-id "$WORKFLOW_ID" --activity-type CreateConferenceRoom`)
			s.awaitReady()
		},
		shows: []string{"$WORKFLOW_ID"},
	},
	"event is down": {
		arrange: func(s *runbookCase) {
			s.newStuckClass(sut.event).awaitAttention("CreateEventRoom")
			restore := s.restore
			s.newStuckClass(sut.event)
			s.restore = restore
		},
		meanwhile: func(s *runbookCase) { s.restore() },
		settle:    (*runbookCase).awaitReady,
		verify:    func(s *runbookCase) { s.assertFailedAs(s.classes[1], "operation_cancelled") },
		shows:     []string{"$SCOPE", "$OTHER_SCOPE", "CreateEventRoom", "$WORKFLOW_ID"},
	},
	"conference refuses": {
		arrange: func(s *runbookCase) { s.newRefusedClass() },
		verify:  (*runbookCase).awaitReady,
		shows:   []string{"$SCOPE", "access_denied"},
	},
	"Janus restarted": {
		arrange: func(s *runbookCase) {
			s.newClass().post().want(s, http.StatusCreated)
			if err := errors.Join(sut.janus.Kill(), sut.restartJanus(s.Context())); err != nil {
				s.Fatal(err)
			}
		},
		settle: func(s *runbookCase) { // a reservation that was only just made is left to its run
			sweepUntil(s.T, workflows.ScheduleGateways, func() error {
				if len(s.classes[0].gatewayRooms()) == 0 {
					return errors.New("the gateway has no room yet")
				}
				return nil
			})
		},
		verify: (*runbookCase).awaitReady,
	},
	"Janus is full": { // for one that may take nothing new has no room
		arrange: func(s *runbookCase) {
			s.env["GATEWAY"] = "janus-1"
			s.shell(`ops drain "$GATEWAY"`)
			if r := s.newClass().post().want(s, http.StatusServiceUnavailable); r.Type != "capacity_exceeded" {
				s.Fatal(r.text)
			}
		},
		verify: (*runbookCase).awaitReady,
		shows:  []string{"$GATEWAY", "$SCOPE", "capacity_exceeded"},
	},
	"A gateway is down": {
		arrange: func(s *runbookCase) {
			s.env["GATEWAY"] = "janus-1"
			freeze(s, sut.janus)
			s.awaitCount(`SELECT count(*) FROM janus_backend WHERE id = 'janus-1' AND away_since IS NOT NULL`, 1, workflows.ScheduleGateways)
		},
		settle: func(*runbookCase) { sut.janus.Thaw() },
		verify: func(s *runbookCase) {
			s.awaitCount(`SELECT count(*) FROM janus_backend WHERE id = 'janus-1' AND (away_since IS NOT NULL OR draining_since IS NOT NULL)`, 0, workflows.ScheduleGateways)
		},
		shows: []string{"$GATEWAY"},
	},
	"No worker is up": {
		arrange: func(s *runbookCase) {
			if err := sut.worker.Stop(s.Context()); err != nil {
				s.Fatal(err)
			}
			s.Cleanup(func() { // whatever comes between
				select {
				case <-sut.worker.Done():
					if err := sut.startWorker(context.Background()); err != nil {
						s.Error(err)
					}
				default:
				}
			})
			s.newClass().postAsync()
		},
		meanwhile: func(s *runbookCase) {
			if err := sut.startWorker(s.Context()); err != nil {
				s.Fatal(err)
			}
		},
		settle: (*runbookCase).awaitReady,
		shows:  []string{"$SCOPE"},
	},
	"Temporal is down": {
		arrange: func(s *runbookCase) { freeze(s, sut.temporal) },
		settle:  func(*runbookCase) { sut.temporal.Thaw() },
		verify:  func(s *runbookCase) { s.newClass().post().want(s, http.StatusCreated) },
		shows:   []string{"unreachable"},
	},
	"Postgres is down": {
		arrange: func(s *runbookCase) { s.newStuckClass(sut.event); freeze(s, sut.postgres) },
		settle:  func(s *runbookCase) { sut.postgres.Thaw(); s.restore(); s.awaitReady() },
		shows:   []string{"$WORKFLOW_ID"},
	},
	"A creation has been stuck for an hour": {
		arrange: func(s *runbookCase) { s.newStuckClass(sut.conference) },
		verify:  func(s *runbookCase) { s.assertFailedAs(s.classes[0], "operation_cancelled") },
		shows:   []string{"$SCOPE", "CreateConferenceRoom"},
	},
	"A minigroup failed": {
		arrange: func(s *runbookCase) { s.newRefusedClass(); s.newRefusedClass() },
		settle:  func(s *runbookCase) { s.classes[1].awaitStatus("real-time") },
		verify:  (*runbookCase).awaitReady,
		shows:   []string{"$SCOPE", "upstream_refused"},
	},
	"Many minigroups failed": {
		arrange: func(s *runbookCase) {
			for range 20 {
				s.newRefusedClass()
			}
		},
		verify: func(s *runbookCase) {
			for _, c := range s.classes {
				c.assertComplete(c.awaitStatus("real-time").object)
			}
		},
		shows: []string{"$SCOPE", "$OTHER_SCOPE"},
	},
	"A run was terminated": {
		arrange: func(s *runbookCase) { s.newStuckClass(sut.conference).terminate() },
		settle: func(s *runbookCase) {
			s.restore()
			s.awaitUndone()
		},
		verify: (*runbookCase).awaitReady,
		shows:  []string{"$WORKFLOW_ID"},
	},
	"Workflow tasks fail after a deploy": {
		arrange: func(s *runbookCase) { s.env["FOLDER"] = s.TempDir(); s.newStuckClass(sut.conference) },
		settle:  func(s *runbookCase) { s.restore(); s.awaitReady() },
		shows:   []string{"$WORKFLOW_ID"},
	},
	"Adding a Janus backend": {
		arrange: func(s *runbookCase) { s.env["GATEWAY"] = "janus-1" },
		verify:  func(s *runbookCase) { s.newClass().post().want(s, http.StatusCreated); s.awaitReady() },
	},
	"`minigroups_lost_attempts` has risen": {
		arrange: func(s *runbookCase) {
			c := s.newClass()
			c.setFault(sut.event, createReplyLost)
			c.post().want(s.T, http.StatusCreated)
			s.awaitCount(`SELECT count(*) FROM room_attempt WHERE class_id = '`+c.id.String()+`' AND state = 'lost'`, 1, workflows.ScheduleClasses)
		},
	},
	"`minigroups_broker_connected` is 0": {
		arrange: func(s *runbookCase) { listenToBroker(s.T) },
	},
	"Cleanup does not happen": {
		arrange: func(s *runbookCase) { s.newStuckClass(sut.conference).terminate() },
		settle:  func(s *runbookCase) { s.restore(); s.awaitUndone() },
		verify:  func(s *runbookCase) { s.assertFailedAs(s.classes[0], "operation_cancelled") },
	},
}

// awaits sweeps until the query counts so many.
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

// TestTheViewsAreThoseOfTheRunbook reads its table of them.
func TestTheViewsAreThoseOfTheRunbook(t *testing.T) {
	text, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{
		workflows.WaitingFor.Name: "conference", workflows.FailedSince.Name: "2026-11-23T00:00:00Z",
		workflows.OfScope.Name: "math-7b", workflows.OfClass.Name: minigroup.ClassID("example.org", "math-7b").String(),
	}
	for _, v := range workflows.Views {
		meaning := strings.Replace(v.Meaning, " (2026-11-23T00:00:00Z)", "", 1)
		if row := "| " + v.Name + " | `" + v.Of(values[v.Name]) + "` | " + meaning + " |\n"; !strings.Contains(string(text), row) {
			t.Errorf("it lacks %s", row)
		}
	}
}

// The parts of a section, in their order.
var sectionParts = []string{"**Symptom.**", "**What to do.**", "**Verify.**"}

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestTheRunbook makes the symptom of every section, runs what the section says to type, and looks whether it has
// helped.
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
			t.Errorf("nothing tries %q", heading)
			continue
		}
		seen++
		t.Run(strings.Trim(strings.ReplaceAll(heading, "`", ""), " "), func(t *testing.T) {
			section.run(&runbookCase{T: t, env: map[string]string{
				"PATH": path, "TEMPORAL_ADDRESS": sut.cfg.Temporal.Address, "MINIGROUPS_CONFIG": sut.configFile, "AUDIENCE": runbookAudience,
				"API": sut.api, "TOKEN": sut.token, "WORKER": "http://" + sut.cfg.Worker.MetricsListen,
			}}, body)
		})
	}
	if seen != len(sections) {
		t.Errorf("the runbook has %d of the %d sections that are tried", seen, len(sections))
	}
}

func (x section) run(s *runbookCase, body string) {
	looking, rest, _ := strings.Cut(body, sectionParts[1])
	doing, again, _ := strings.Cut(rest, sectionParts[2])
	for _, part := range sectionParts {
		if rest != "" && strings.Count(body, part) != 1 {
			s.Fatalf("it has not one part %q", part)
		}
	}
	runStep(x.arrange, s)
	eventually(s, func() error { // Temporal's lists are some moments behind
		shown := s.runBlocks(looking)
		for _, want := range x.shows {
			if want = os.Expand(want, func(name string) string { return s.env[name] }); !strings.Contains(shown, want) {
				return fmt.Errorf("looking does not show %q", want)
			}
		}
		return nil
	})
	runStep(x.meanwhile, s)
	s.runBlocks(doing)
	runStep(x.settle, s)
	s.runBlocks(again)
	runStep(x.verify, s)
}

func runStep(do func(*runbookCase), s *runbookCase) {
	if do != nil {
		do(s)
	}
}

// run pastes the commands of a part into a shell, line by line, and returns what they print.
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

// commands returns a PATH on which the programs of the runbook are.
func searchPath(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join([]string{sut.bin, filepath.Join(root, ".tools"), os.Getenv("PATH")}, string(os.PathListSeparator))
}
