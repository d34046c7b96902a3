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
	"minigroups/sandbox"
	"minigroups/workflows"
)

// runbookAudience keeps what the runbook retries apart from what other tests have left failed.
const runbookAudience = "runbook.example.org"

// A section of the runbook is run as somebody would who has its symptom.
type section struct {
	// appear makes the symptom, and names the classes that the commands mean.
	appear func(s *symptom)
	// mend is what somebody else does between looking and doing, and settle what happens before one looks again.
	mend, settle func(s *symptom)
	// well asserts what the commands have brought about.
	well func(s *symptom)
	// shows lists what looking must tell, with the variables of the commands in it.
	shows []string
}

// symptom is what a section is tried on.
type symptom struct {
	*testing.T
	// classes are what the commands call CLASS_ID and OTHER_CLASS_ID.
	classes []*class
	// heal ends the fault that was made.
	heal func()
	env  map[string]string
}

// class makes a class for the commands, and nothing of it anywhere yet.
func (s *symptom) class() *class {
	c := newClassFor(s.T, runbookAudience)
	s.classes = append(s.classes, c)
	prefix := strings.Repeat("OTHER_", len(s.classes)-1)
	s.env[prefix+"CLASS_ID"], s.env[prefix+"SCOPE"], s.env[prefix+"WORKFLOW_ID"] = c.id.String(), c.scope, c.workflowID()
	return c
}

// stuck is a class whose create waits at a service, in sight of the UI, until heal is called.
func (s *symptom) stuck(service string) *class {
	c := s.class()
	s.heal = c.faulty(service, createFails)
	c.post("Prefer", "respond-async").want(s, http.StatusAccepted)
	c.waits(map[string]string{sut.event: "CreateEventRoom", sut.conference: "CreateConferenceRoom"}[service])
	return c
}

// refused is a class that has failed because conference refused.
func (s *symptom) refused() *class {
	c := s.class()
	heal := c.faulty(sut.conference, createRefused)
	c.post().want(s.T, http.StatusUnprocessableEntity)
	heal()
	return c
}

// healed waits until the class is there, with all that belongs to it.
func (s *symptom) healed() {
	s.Helper()
	c := s.classes[0]
	c.holdsAll(c.until("real-time").object)
}

// swept waits until the sweeper has had the class undone, whose run is gone: it leaves alone what a run has only just left.
func (s *symptom) swept() {
	s.Helper()
	sweepUntil(s.T, workflows.ScheduleClasses, func() error {
		if state := s.classes[0].state(); state != "failed" {
			return fmt.Errorf("it is %s", state)
		}
		return nil
	})
}

func (s *symptom) undone(c *class, reason string) {
	s.Helper()
	if r := c.vanishes(); r.Failure.Type != reason {
		s.Errorf("it failed as %s, want %s", r.Failure.Type, reason)
	}
}

// sections are those of the runbook, by their heading.
var sections = map[string]section{
	"Before you start": {
		appear: func(s *symptom) { s.stuck(sut.conference).needsAttention("CreateConferenceRoom") },
		well: func(s *symptom) {
			s.heal()
			s.shell(`temporal activity reset --workflow-id "$WORKFLOW_ID" --activity-type CreateConferenceRoom`)
			s.healed()
		},
		shows: []string{"$WORKFLOW_ID"},
	},
	"event is down": {
		appear: func(s *symptom) {
			s.stuck(sut.event).needsAttention("CreateEventRoom")
			heal := s.heal
			s.stuck(sut.event)
			s.heal = heal
		},
		mend:   func(s *symptom) { s.heal() },
		settle: (*symptom).healed,
		well:   func(s *symptom) { s.undone(s.classes[1], "operation_cancelled") },
		shows:  []string{"$SCOPE", "$OTHER_SCOPE", "CreateEventRoom", "$WORKFLOW_ID"},
	},
	"conference refuses": {
		appear: func(s *symptom) { s.refused() },
		well:   (*symptom).healed,
		shows:  []string{"$SCOPE", "access_denied"},
	},
	"Janus restarted": {
		appear: func(s *symptom) {
			s.class().post().want(s, http.StatusCreated)
			if err := errors.Join(sut.janus.Kill(), sut.restartJanus(s.Context())); err != nil {
				s.Fatal(err)
			}
		},
		settle: func(s *symptom) { // a reservation that was only just made is left to its run
			sweepUntil(s.T, workflows.ScheduleGateways, func() error {
				if len(s.classes[0].gatewayRooms()) == 0 {
					return errors.New("the gateway has no room yet")
				}
				return nil
			})
		},
		well: (*symptom).healed,
	},
	"Janus is full": { // for one that may take nothing new has no room
		appear: func(s *symptom) {
			s.env["GATEWAY"] = "janus-1"
			s.shell(`ops drain "$GATEWAY"`)
			if r := s.class().post().want(s, http.StatusServiceUnavailable); r.Type != "capacity_exceeded" {
				s.Fatal(r.text)
			}
		},
		well:  (*symptom).healed,
		shows: []string{"$GATEWAY", "$SCOPE", "capacity_exceeded"},
	},
	"A gateway is down": {
		appear: func(s *symptom) {
			s.env["GATEWAY"] = "janus-1"
			freeze(s, sut.janus)
			s.awaits(`SELECT count(*) FROM janus_backend WHERE id = 'janus-1' AND away_since IS NOT NULL`, 1, workflows.ScheduleGateways)
		},
		settle: func(*symptom) { sut.janus.Thaw() },
		well: func(s *symptom) {
			s.awaits(`SELECT count(*) FROM janus_backend WHERE id = 'janus-1' AND (away_since IS NOT NULL OR draining_since IS NOT NULL)`, 0, workflows.ScheduleGateways)
		},
		shows: []string{"$GATEWAY"},
	},
	"No worker is up": {
		appear: func(s *symptom) {
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
			s.class().post("Prefer", "respond-async").want(s, http.StatusAccepted)
		},
		mend: func(s *symptom) {
			if err := sut.startWorker(s.Context()); err != nil {
				s.Fatal(err)
			}
		},
		settle: (*symptom).healed,
		shows:  []string{"$SCOPE"},
	},
	"Temporal is down": {
		appear: func(s *symptom) { freeze(s, sut.temporal) },
		settle: func(*symptom) { sut.temporal.Thaw() },
		well:   func(s *symptom) { s.class().post().want(s, http.StatusCreated) },
		shows:  []string{"unreachable"},
	},
	"Postgres is down": {
		appear: func(s *symptom) { s.stuck(sut.event); freeze(s, sut.postgres) },
		settle: func(s *symptom) { sut.postgres.Thaw(); s.heal(); s.healed() },
		shows:  []string{"$WORKFLOW_ID"},
	},
	"A creation has been stuck for an hour": {
		appear: func(s *symptom) { s.stuck(sut.conference) },
		well:   func(s *symptom) { s.undone(s.classes[0], "operation_cancelled") },
		shows:  []string{"$SCOPE", "CreateConferenceRoom"},
	},
	"A minigroup failed": {
		appear: func(s *symptom) { s.refused(); s.refused() },
		settle: func(s *symptom) { s.classes[1].until("real-time") },
		well:   (*symptom).healed,
		shows:  []string{"$SCOPE", "upstream_refused"},
	},
	"Many minigroups failed": {
		appear: func(s *symptom) {
			for range 20 {
				s.refused()
			}
		},
		well: func(s *symptom) {
			for _, c := range s.classes {
				c.holdsAll(c.until("real-time").object)
			}
		},
		shows: []string{"$SCOPE", "$OTHER_SCOPE"},
	},
	"A run was terminated": {
		appear: func(s *symptom) { s.stuck(sut.conference).terminate() },
		settle: func(s *symptom) {
			s.heal()
			s.swept()
		},
		well:  (*symptom).healed,
		shows: []string{"$WORKFLOW_ID"},
	},
	"Workflow tasks fail after a deploy": {
		appear: func(s *symptom) { s.env["FOLDER"] = s.TempDir(); s.stuck(sut.conference) },
		settle: func(s *symptom) { s.heal(); s.healed() },
		shows:  []string{"$WORKFLOW_ID"},
	},
	"Adding a Janus backend": {
		appear: func(s *symptom) { s.env["GATEWAY"] = "janus-1" },
		well:   func(s *symptom) { s.class().post().want(s, http.StatusCreated); s.healed() },
	},
	"`minigroups_lost_attempts` has risen": {
		appear: func(s *symptom) {
			c := s.class()
			c.faulty(sut.event, sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLoseReply, Times: 1})
			c.post().want(s.T, http.StatusCreated)
			s.awaits(`SELECT count(*) FROM room_attempt WHERE class_id = '`+c.id.String()+`' AND state = 'lost'`, 1, workflows.ScheduleClasses)
		},
	},
	"`minigroups_broker_connected` is 0": {
		appear: func(s *symptom) { listening(s.T) },
	},
	"Cleanup does not happen": {
		appear: func(s *symptom) { s.stuck(sut.conference).terminate() },
		settle: func(s *symptom) { s.heal(); s.swept() },
		well:   func(s *symptom) { s.undone(s.classes[0], "operation_cancelled") },
	},
}

// awaits sweeps until the query counts so many.
func (s *symptom) awaits(sql string, want int, schedule string) {
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
var parts = []string{"**Symptom.**", "**What to do.**", "**Verify.**"}

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestTheRunbook makes the symptom of every section, runs what the section says to type, and looks whether it has helped.
func TestTheRunbook(t *testing.T) {
	text, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	path := commands(t)
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
			section.try(&symptom{T: t, env: map[string]string{
				"PATH": path, "TEMPORAL_ADDRESS": sut.cfg.Temporal.Address, "MINIGROUPS_CONFIG": sut.configFile, "AUDIENCE": runbookAudience,
				"API": sut.api, "TOKEN": sut.token, "WORKER": "http://" + sut.cfg.Worker.MetricsListen,
			}}, body)
		})
	}
	if seen != len(sections) {
		t.Errorf("the runbook has %d of the %d sections that are tried", seen, len(sections))
	}
}

func (x section) try(s *symptom, body string) {
	looking, rest, _ := strings.Cut(body, parts[1])
	doing, again, _ := strings.Cut(rest, parts[2])
	for _, part := range parts {
		if rest != "" && strings.Count(body, part) != 1 {
			s.Fatalf("it has not one part %q", part)
		}
	}
	step(x.appear, s)
	eventually(s, func() error { // Temporal's lists are some moments behind
		shown := s.run(looking)
		for _, want := range x.shows {
			if want = os.Expand(want, func(name string) string { return s.env[name] }); !strings.Contains(shown, want) {
				return fmt.Errorf("looking does not show %q", want)
			}
		}
		return nil
	})
	step(x.mend, s)
	s.run(doing)
	step(x.settle, s)
	s.run(again)
	step(x.well, s)
}

func step(do func(*symptom), s *symptom) {
	if do != nil {
		do(s)
	}
}

// run pastes the commands of a part into a shell, line by line, and returns what they print.
func (s *symptom) run(text string) string {
	s.Helper()
	var all strings.Builder
	for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		for _, line := range strings.Split(strings.TrimSpace(block[1]), "\n") {
			all.WriteString(s.shell(line))
		}
	}
	return all.String()
}

func (s *symptom) shell(line string) string {
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
func commands(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join([]string{sut.bin, filepath.Join(root, ".tools"), os.Getenv("PATH")}, string(os.PathListSeparator))
}
