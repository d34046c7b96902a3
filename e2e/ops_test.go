package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// opsResult is what the program ops printed, and its exit code.
type opsResult struct {
	code        int
	out, errors string
}

func opsCommand(ctx context.Context, args ...string) *exec.Cmd {
	args = append([]string{"-config", sut.configFile}, args...)
	return exec.CommandContext(ctx, filepath.Join(sut.bin, "ops"), args...)
}

// ops runs the program ops. Unless document is nil, it decodes the JSON that ops prints into it.
func ops(t testing.TB, document any, args ...string) opsResult {
	t.Helper()
	if document != nil {
		args = append(args, "-o", "json")
	}
	return runOps(t, opsCommand(t.Context(), args...), document)
}

func runOps(t testing.TB, cmd *exec.Cmd, document any) (s opsResult) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	s = opsResult{code: cmd.ProcessState.ExitCode(), out: out.String(), errors: errs.String()}
	if document != nil && s.code != 2 {
		if err := json.Unmarshal(out.Bytes(), document); err != nil {
			t.Fatalf("ops %s: %v: %s %s", cmd.Args, err, s.out, s.errors)
		}
	}
	return s
}

func (s opsResult) want(t testing.TB, code int, words ...string) opsResult {
	t.Helper()
	if s.code != code {
		t.Fatalf("the exit code is %d, want %d: %s %s", s.code, code, s.out, s.errors)
	}
	for _, word := range words {
		if !strings.Contains(s.out+s.errors, word) {
			t.Fatalf("%q is not printed: %s %s", word, s.out, s.errors)
		}
	}
	return s
}

func TestOpsRetriesOne(t *testing.T) {
	t.Parallel()
	c := failedClass(t)
	restore := c.setFault(sut.conference, createRefused)
	var one struct{ Result, Reason string }
	ops(t, &one, "retry", c.id.String()).want(t, 1)
	if one.Result != "failed_again" || one.Reason != "upstream_refused conference access_denied" {
		t.Fatalf("got %+v", one)
	}
	restore()
	ops(t, nil, "retry", "example.org", c.scope).want(t, 0, "ready")
	c.assertComplete(c.get().object)
	ops(t, nil, "retry", c.id.String()).want(t, 1, "nothing has failed")
}

// opsSaga holds the tested part of what `ops stuck` and `ops show` print.
type opsSaga struct {
	ClassID    uuid.UUID `json:"class_id"`
	Operation  string    `json:"operation"`
	State      string    `json:"state"`
	Temporal   string    `json:"temporal"`
	WaitingFor []struct {
		Activity    string `json:"activity"`
		LastFailure string `json:"last_failure"`
	} `json:"waiting_for"`
	Attempts []struct {
		Service, State string
	} `json:"attempts"`
	Reservations []struct {
		Backend string `json:"backend"`
		Slots   int    `json:"slots"`
	} `json:"reservations"`
	Runs []struct {
		Type, Status, Stage string
	} `json:"runs"`
}

func opsStuck(t *testing.T, c *class, cmd *exec.Cmd) opsSaga {
	t.Helper()
	var stuck struct {
		Sagas    []opsSaga
		Temporal string
	}
	runOps(t, cmd, &stuck).want(t, 0)
	for _, s := range stuck.Sagas {
		if s.ClassID == c.id {
			s.Temporal = stuck.Temporal
			return s
		}
	}
	t.Fatalf("the class is not listed: %+v", stuck)
	return opsSaga{}
}

func TestOpsShowsWhatIsStuckAndCancelsIt(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.setFault(sut.conference, createFails)
	c.postAsync()
	c.awaitAttempt("event", "held")
	c.awaitRetryOf("CreateConferenceRoom")
	args := []string{"stuck", "--older-than", "0s", "--audience", "example.org", "--limit", "1000", "-o", "json"}
	s := opsStuck(t, c, opsCommand(t.Context(), args...))
	if s.Operation != "create" || s.State != "creating" || s.Temporal != "ok" || len(s.WaitingFor) != 1 ||
		s.WaitingFor[0].Activity != "CreateConferenceRoom" || s.WaitingFor[0].LastFailure == "" {
		t.Fatalf("got %+v", s)
	}
	away := opsCommand(t.Context(), args...)
	away.Env = append(away.Environ(), "TEMPORAL_ADDRESS=127.0.0.1:1")
	if s := opsStuck(t, c, away); s.State != "creating" || s.Temporal == "ok" || len(s.WaitingFor) != 0 {
		t.Fatalf("without Temporal it is %+v", s)
	}
	var one opsSaga
	ops(t, &one, "show", "example.org", c.scope).want(t, 0)
	if one.ClassID != c.id || len(one.Attempts) < 2 || len(one.WaitingFor) != 1 ||
		len(one.Reservations) != 1 || one.Reservations[0].Slots != 8 {
		t.Fatalf("got %+v", one)
	}
	ops(t, nil, "show", c.id.String()).want(t, 0, "waits for CreateConferenceRoom", "janus-1", "held")
	var cancelled struct {
		Ended bool
		State string
	}
	ops(t, &cancelled, "cancel", c.id.String()).want(t, 0)
	if !cancelled.Ended || cancelled.State != "failed" {
		t.Fatalf("got %+v", cancelled)
	}
	c.awaitFailed()
	ops(t, nil, "cancel", c.id.String()).want(t, 1, "no operation is running")
	eventually(t, func() error { // Temporal's visibility index lags behind
		ops(t, &one, "show", c.id.String()).want(t, 0)
		if one.State != "failed" || len(one.Runs) != 1 ||
			one.Runs[0].Type != "CreateMinigroup" || one.Runs[0].Status != "canceled" {
			return fmt.Errorf("got %+v", one)
		}
		return nil
	})
}

func TestOpsSweeps(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.setFault(sut.conference, createFails)
	c.postAsync()
	c.awaitRetryOf("CreateConferenceRoom")
	c.terminate()
	var swept []struct {
		Sweep  string
		Result map[string]any
	}
	ops(t, &swept, "sweep").want(t, 0)
	if len(swept) != 2 || swept[0].Sweep != "classes" || swept[0].Result["recovered"] == nil ||
		swept[1].Sweep != "gateways" || swept[1].Result["made"] == nil {
		t.Fatalf("got %+v", swept)
	}
	within(t, time.Minute, func() error { // the sweeper skips rows that changed within the last seconds
		ops(t, nil, "sweep", "classes").want(t, 0)
		return c.isInRowState("failed")
	})
}

// TestOpsDrainsAGateway does not run in parallel: there is only one gateway.
func TestOpsDrainsAGateway(t *testing.T) {
	c := newClass(t)
	c.post().want(t, http.StatusCreated)
	var backends []struct {
		ID            string `json:"id"`
		Capacity      int    `json:"capacity"`
		Peak          int    `json:"peak"`
		Reservations  int    `json:"reservations"`
		DrainingSince string `json:"draining_since"`
	}
	t.Cleanup(func() { runOps(t, opsCommand(context.Background(), "undrain", "janus-1"), nil).want(t, 0) })
	ops(t, &backends, "drain", "janus-1").want(t, 0)
	if len(backends) != 1 || backends[0].DrainingSince == "" || backends[0].Reservations == 0 ||
		backends[0].Peak < 8 || backends[0].Capacity != 10000 {
		t.Fatalf("got %+v", backends)
	}
	if err := sut.migrate(t.Context(), sut.configFile); err != nil { // as a deploy does
		t.Fatal(err)
	}
	if r := newClass(t).post().want(t, http.StatusServiceUnavailable); r.Type != "capacity_exceeded" {
		t.Fatalf("got %s", r.text)
	}
	if r := c.put(map[string]any{"reserve": 9}).want(t, http.StatusOK); *r.Reserve != 9 {
		t.Fatalf("got %s", r.text)
	}
	ops(t, nil, "drain", "janus-1", "--wait", "1ms").want(t, 1, "are left on janus-1")
	ops(t, nil, "undrain", "janus-1").want(t, 0)
	newClass(t).post().want(t, http.StatusCreated)
	ops(t, nil, "drain", "janus-9").want(t, 1, "there is no gateway of this id")
}

func TestOpsRejectsBadArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"unheard-of"}, {"show"}, {"show", "no uuid"}, {"retry"}, {"retry", "--all", "x"}, {"failed", "--since", "soon"},
		{"failed", "--upstream", "x"}, {"sweep", "x"}, {"stuck", "-o", "xml"}, {"drain"}, {"retry", "--all", "--rate", "0"},
		{"lost", "--limit", "-1"}, {"retry", "--wait", "1h", uuid.NewString()},
	} {
		ops(t, nil, args...).want(t, 2, "ops: ", "--help")
	}
	var lost struct{ Lost []any }
	ops(t, &lost, "lost", "--all").want(t, 0)
	if lost.Lost == nil {
		t.Error("an empty list is null")
	}
	nowhere := opsCommand(t.Context(), "stuck")
	nowhere.Env = append(nowhere.Environ(), "DATABASE_URL=postgres://postgres:geheim@127.0.0.1:1/x")
	if s := runOps(t, nowhere, nil).want(t, 1, "database.url"); strings.Contains(s.errors, "geheim") {
		t.Errorf("it prints the password: %s", s.errors)
	}
	ops(t, nil, "show", uuid.NewString()).want(t, 1, "there is no such minigroup")
}
