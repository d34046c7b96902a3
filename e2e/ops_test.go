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
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"minigroups/sandbox"
	"minigroups/stack"
)

// said is what the operators' program said, and how it ended.
type opsResult struct {
	code        int
	out, errors string
}

func opsCommand(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, filepath.Join(sut.bin, "ops"), append([]string{"-config", sut.configFile}, args...)...)
}

// ops runs the operators' program, and reads the JSON that it prints into document, unless that is nil.
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
	s = opsResult{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
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
		t.Fatalf("it ended with %d, want %d: %s %s", s.code, code, s.out, s.errors)
	}
	for _, word := range words {
		if !strings.Contains(s.out+s.errors, word) {
			t.Fatalf("it does not say %q: %s %s", word, s.out, s.errors)
		}
	}
	return s
}

// campaign is what `ops retry --all --yes` prints.
type retryAllResult struct {
	FailedBefore string         `json:"failed_before"`
	Retried      int            `json:"retried"`
	Ready        int            `json:"ready"`
	FailedAgain  map[string]int `json:"failed_again"`
	StillRunning int            `json:"still_running"`
	Skipped      map[string]int `json:"skipped"`
	Unknown      map[string]int `json:"unknown"`
	Left         int            `json:"left"`
	Interrupted  bool           `json:"interrupted"`
}

// refusedClasses makes so many classes that conference refuses.
func refusedClasses(t *testing.T, n int) []*class {
	t.Helper()
	refuse := createRefused
	err := changeFaults(t.Context(), sut.conference, func(list []*sandbox.Fault) []*sandbox.Fault { return append(list, &refuse) })
	if err != nil {
		t.Fatal(err)
	}
	classes := make([]*class, n)
	var group errgroup.Group
	group.SetLimit(20)
	for i := range classes {
		c := newClass(t)
		c.body["reserve"] = 1
		classes[i] = c
		group.Go(func() error {
			r, err := send(t.Context(), http.MethodPost, "/api/v1/minigroups", c.body)
			if err == nil && r.code != http.StatusUnprocessableEntity {
				err = fmt.Errorf("got %d %s", r.code, r.text)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	err = changeFaults(t.Context(), sut.conference, func(list []*sandbox.Fault) []*sandbox.Fault {
		return slices.DeleteFunc(list, func(other *sandbox.Fault) bool { return other == &refuse })
	})
	if err != nil {
		t.Fatal(err)
	}
	return classes
}

// countReady counts the classes that are ready.
func countReady(t *testing.T, classes []*class) (n int) {
	t.Helper()
	ids := make([]uuid.UUID, len(classes))
	for i, c := range classes {
		ids[i] = c.id
	}
	if err := sut.db.QueryRow(t.Context(), `SELECT count(*) FROM minigroup WHERE id = ANY($1) AND state = 'ready'`, ids).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestACampaignOfRetries runs by itself: it retries all that has failed since it began.
func TestACampaignOfRetries(t *testing.T) {
	const n = 200
	begun := time.Now().Add(-time.Second).Format(time.RFC3339Nano)
	classes := refusedClasses(t, n)
	var failed struct {
		Failed []struct {
			ClassID  uuid.UUID `json:"class_id"`
			Scope    string    `json:"scope"`
			Reason   string    `json:"reason"`
			Upstream string    `json:"upstream"`
		} `json:"failed"`
		Total int `json:"total"`
	}
	ops(t, &failed, "failed", "--since", begun, "--reason", "upstream_refused", "--upstream", "conference").want(t, 0)
	if failed.Total != n || len(failed.Failed) != 100 || failed.Failed[0].Reason != "upstream_refused" || failed.Failed[0].Upstream != "conference" {
		t.Fatalf("got %d of %d: %+v", len(failed.Failed), failed.Total, failed.Failed[0])
	}
	ops(t, nil, "failed", "--since", begun, "--limit", "1").want(t, 0, "Showing 1 of 200")
	byID := map[uuid.UUID]*class{}
	for _, c := range classes {
		byID[c.id] = c
	}
	ofThePage := byID[failed.Failed[99].ClassID] // the last of those that the campaign reads at first
	stillRefused := byID[failed.Failed[3].ClassID]
	stillRefused.setFault(sut.conference, createRefused)

	ops(t, nil, "retry", "--all", "--since", begun).want(t, 0, "Nothing was retried", "ops retry --all --failed-before", ofThePage.scope)
	if got := countReady(t, classes); got != 0 {
		t.Fatalf("the dry run has made %d", got)
	}

	first := opsCommand(t.Context(), "retry", "--all", "--since", begun, "--yes", "--rate", "20", "-o", "json")
	var out, errs bytes.Buffer
	first.Stdout, first.Stderr = &out, &errs
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	signal := func(s syscall.Signal) {
		t.Helper()
		if err := first.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	reaches := func(ready int) {
		t.Helper()
		eventually(t, func() error {
			if got := countReady(t, classes); got < ready {
				return fmt.Errorf("%d are ready, want %d: %s", got, ready, errs.String())
			}
			return nil
		})
	}
	reaches(5)
	if err := stack.Freeze(first.Process.Pid); err != nil {
		t.Fatal(err)
	}
	ofThePage.retry().want(t, http.StatusOK) // meanwhile, by somebody else
	before := ofThePage.latestRun()
	stack.Thaw(first.Process.Pid)
	reaches(110)
	signal(syscall.SIGINT)
	err := first.Wait()
	var sum retryAllResult
	if jsonErr := json.Unmarshal(out.Bytes(), &sum); jsonErr != nil || first.ProcessState.ExitCode() != 1 {
		t.Fatalf("%v, %v: %s %s", err, jsonErr, out.String(), errs.String())
	}
	if !sum.Interrupted || sum.Left == 0 || sum.Skipped["already ready"] != 1 || sum.FailedAgain["upstream_refused conference access_denied"] != 1 {
		t.Fatalf("got %+v", sum)
	}
	if !strings.Contains(errs.String(), "--failed-before "+sum.FailedBefore) {
		t.Fatalf("it does not say how to go on: %s", errs.String())
	}
	if ofThePage.latestRun() != before {
		t.Fatal("what was ready was started over")
	}

	var rest retryAllResult
	ops(t, &rest, "retry", "--all", "--since", begun, "--failed-before", sum.FailedBefore, "--yes", "--rate", "200").want(t, 0)
	if rest.Ready != sum.Left || rest.Left != 0 || sum.Ready+rest.Ready != n-2 { // one was retried by somebody else, one is still refused
		t.Fatalf("got %+v after %+v", rest, sum)
	}
	events, conferences := openRoomsByClass(t, sut.event), openRoomsByClass(t, sut.conference)
	for _, c := range classes {
		want := 1
		if c == stillRefused {
			want = 0
		}
		if events[c.id] != want || conferences[c.id] != want {
			t.Errorf("%s has %d rooms in event and %d in conference, want %d of each", c.scope, events[c.id], conferences[c.id], want)
		}
		if runs := c.count(`SELECT count(DISTINCT run) FROM room_attempt WHERE class_id = $1`); runs != 2 {
			t.Errorf("%s was tried by %d runs, want 2", c.scope, runs)
		}
	}
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

// shown is what `ops stuck` and `ops show` print, as far as it matters here.
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
	t.Fatalf("it is not listed: %+v", stuck)
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
	if one.ClassID != c.id || len(one.Attempts) < 2 || len(one.Reservations) != 1 || one.Reservations[0].Slots != 8 || len(one.WaitingFor) != 1 {
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
	eventually(t, func() error { // Temporal's lists are a moment late
		ops(t, &one, "show", c.id.String()).want(t, 0)
		if len(one.Runs) != 1 || one.Runs[0].Type != "CreateMinigroup" || one.Runs[0].Status != "canceled" || one.State != "failed" {
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
	if len(swept) != 2 || swept[0].Sweep != "classes" || swept[0].Result["recovered"] == nil || swept[1].Sweep != "gateways" || swept[1].Result["made"] == nil {
		t.Fatalf("got %+v", swept)
	}
	within(t, time.Minute, func() error { // the sweeper leaves alone what has been touched in the last seconds
		ops(t, nil, "sweep", "classes").want(t, 0)
		return c.isInRowState("failed")
	})
}

// TestOpsDrainsAGateway runs by itself: there is one gateway.
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
	if len(backends) != 1 || backends[0].DrainingSince == "" || backends[0].Reservations == 0 || backends[0].Peak < 8 || backends[0].Capacity != 10000 {
		t.Fatalf("got %+v", backends)
	}
	if err := sut.migrate(t.Context(), sut.configFile); err != nil { // a deploy in between
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

func TestOpsSaysWhatItDoesNotUnderstand(t *testing.T) {
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
		t.Errorf("it tells the password: %s", s.errors)
	}
	ops(t, nil, "show", uuid.NewString()).want(t, 1, "there is no minigroup")
}
