package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"minigroups/stack"
)

// retryAllResult is what `ops retry --all --yes` prints.
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

// refusedClasses returns n classes whose creates conference has refused.
func refusedClasses(t *testing.T, n int) []*class {
	t.Helper()
	restore := addFault(t, sut.conference, createRefused)
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
	restore()
	return classes
}

// countReady returns how many of the classes are ready.
func countReady(t *testing.T, classes []*class) (n int) {
	t.Helper()
	ids := make([]uuid.UUID, len(classes))
	for i, c := range classes {
		ids[i] = c.id
	}
	const query = `SELECT count(*) FROM minigroup WHERE id = ANY($1) AND state = 'ready'`
	if err := sut.db.QueryRow(t.Context(), query, ids).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestOpsRetriesAll does not run in parallel: it retries every class that failed after it began.
func TestOpsRetriesAll(t *testing.T) {
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
	ops(t, &failed, "failed", "--since", begun, "--failure", "upstream_refused", "--upstream", "conference").want(t, 0)
	if failed.Total != n || len(failed.Failed) != 100 {
		t.Fatalf("got %d of %d", len(failed.Failed), failed.Total)
	}
	if one := failed.Failed[0]; one.Reason != "upstream_refused" || one.Upstream != "conference" {
		t.Fatalf("got %+v", one)
	}
	ops(t, nil, "failed", "--since", begun, "--limit", "1").want(t, 0, "Showing 1 of 200")
	byID := map[uuid.UUID]*class{}
	for _, c := range classes {
		byID[c.id] = c
	}
	retriedElsewhere := byID[failed.Failed[99].ClassID] // the last of the first page that ops reads
	stillRefused := byID[failed.Failed[3].ClassID]
	stillRefused.setFault(sut.conference, createRefused)

	ops(t, nil, "retry", "--all", "--since", begun).
		want(t, 0, "Nothing was retried", "ops retry --all --failed-before", retriedElsewhere.scope)
	if got := countReady(t, classes); got != 0 {
		t.Fatalf("the dry run retried %d", got)
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
	awaitReady := func(ready int) {
		t.Helper()
		eventually(t, func() error {
			if got := countReady(t, classes); got < ready {
				return fmt.Errorf("%d are ready, want %d: %s", got, ready, errs.String())
			}
			return nil
		})
	}
	awaitReady(5)
	if err := stack.Freeze(first.Process.Pid); err != nil {
		t.Fatal(err)
	}
	retriedElsewhere.retry().want(t, http.StatusOK) // by another client
	before := retriedElsewhere.latestRun()
	stack.Thaw(first.Process.Pid)
	awaitReady(110)
	signal(syscall.SIGINT)
	err := first.Wait()
	var sum retryAllResult
	if jsonErr := json.Unmarshal(out.Bytes(), &sum); jsonErr != nil || first.ProcessState.ExitCode() != 1 {
		t.Fatalf("%v, %v: %s %s", err, jsonErr, out.String(), errs.String())
	}
	if !sum.Interrupted || sum.Left == 0 || sum.Skipped["already ready"] != 1 ||
		sum.FailedAgain["upstream_refused conference access_denied"] != 1 {
		t.Fatalf("got %+v", sum)
	}
	if !strings.Contains(errs.String(), "--failed-before "+sum.FailedBefore) {
		t.Fatalf("it does not print how to continue: %s", errs.String())
	}
	if retriedElsewhere.latestRun() != before {
		t.Fatal("a ready class was retried")
	}

	var rest retryAllResult
	ops(t, &rest, "retry", "--all", "--since", begun, "--failed-before", sum.FailedBefore, "--yes", "--rate", "200").
		want(t, 0)
	// Another client retried one, and one is still refused.
	if rest.Ready != sum.Left || rest.Left != 0 || sum.Ready+rest.Ready != n-2 {
		t.Fatalf("got %+v after %+v", rest, sum)
	}
	events, conferences := openRoomsByClass(t, sut.event), openRoomsByClass(t, sut.conference)
	for _, c := range classes {
		want := 1
		if c == stillRefused {
			want = 0
		}
		if events[c.id] != want || conferences[c.id] != want {
			t.Errorf("%s has %d rooms in event and %d in conference, want %d of each",
				c.scope, events[c.id], conferences[c.id], want)
		}
		if runs := c.count(`SELECT count(DISTINCT run) FROM room_attempt WHERE class_id = $1`); runs != 2 {
			t.Errorf("%d runs worked on %s, want 2", runs, c.scope)
		}
	}
}
