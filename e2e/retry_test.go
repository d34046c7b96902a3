package e2e

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
)

func (c *class) retry(headers ...string) reply {
	c.t.Helper()
	return request(c.t, http.MethodPost, c.path()+"/retry", nil, headers...)
}

// assertRetryRefused asserts that a retry is refused, for a reason that says this.
func (c *class) assertRetryRefused(says string) {
	c.t.Helper()
	if r := c.retry().want(c.t, http.StatusConflict); r.Type != "retry_not_possible" || !strings.Contains(r.Detail, says) {
		c.t.Fatalf("got %s", r.text)
	}
}

func TestARetryStartsAFailedCreateOver(t *testing.T) {
	t.Parallel()
	c := failedClass(t)
	before := c.get()
	request(t, http.MethodPut, c.path()+"/properties/note", `"set since"`).want(t, http.StatusOK)
	r := c.retry().want(t, http.StatusOK)
	c.assertComplete(r.object)
	if r.Status != "real-time" || r.ClassID != before.ClassID || r.Failure != nil {
		t.Fatalf("got %s", r.text)
	}
	if r := c.post().want(t, http.StatusOK); r.RealTime == nil { // it is still what was asked for
		t.Fatalf("got %s", r.text)
	}
	c.assertRetryRefused("nothing has failed")
	c.assertComplete(c.get().object)
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
}

func TestARetryThatGoesOnIsOneThatIsGoing(t *testing.T) {
	t.Parallel()
	c := failedClass(t)
	restore := c.setFault(sut.conference, createFails)
	r := c.retry("Prefer", "respond-async").want(t, http.StatusAccepted)
	if r.Status != "creating" || r.header.Get("Location") != c.path() {
		t.Fatalf("got %v %s", r.header, r.text)
	}
	c.assertRetryRefused("is still being created")
	c.awaitRetryOf("CreateConferenceRoom")
	run := c.latestRun()
	restore()
	c.assertComplete(c.awaitStatus("real-time").object)
	if c.latestRun() != run {
		t.Fatal("another run was started")
	}
}

func TestRetriesAtOnceAreOne(t *testing.T) {
	t.Parallel()
	c := failedClass(t)
	restore := c.setFault(sut.conference, createFails) // so that they meet
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			r := c.retry("Prefer", "respond-async")
			if r.code != http.StatusAccepted && (r.code != http.StatusConflict || r.Type != "retry_not_possible") {
				t.Errorf("got %d %s", r.code, r.text)
			}
		})
	}
	wg.Wait()
	restore()
	c.assertComplete(c.awaitStatus("real-time").object)
	if n := c.count(`SELECT count(DISTINCT run) FROM room_attempt WHERE class_id = $1`); n != 2 {
		t.Fatalf("%d runs have asked for rooms, want the first and one retry", n)
	}
}

// TestARetryBesideTheEndOfTheRunThatFailed has the row say that the run which is open has failed, as it does in the moment
// before that run ends: to join it would be to hear of the old failure.
func TestARetryBesideTheEndOfTheRunThatFailed(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	restore := c.setFault(sut.conference, createFails)
	c.post("Prefer", "respond-async").want(t, http.StatusAccepted)
	c.awaitRetryOf("CreateConferenceRoom")
	for _, sql := range []string{
		`UPDATE minigroup SET state = 'undoing', failure = '{"kind":"upstream_refused"}' WHERE id = $1`,
		`UPDATE minigroup SET state = 'failed', failed_at = now() WHERE id = $1`,
	} {
		if _, err := sut.db.Exec(t.Context(), sql, c.id); err != nil {
			t.Fatal(err)
		}
	}
	if r := c.retry().want(t, http.StatusConflict); r.Type != "operation_in_progress" || r.header.Get("Retry-After") == "" {
		t.Fatalf("got %v %s", r.header, r.text)
	}
	if _, err := sut.db.Exec(t.Context(), `UPDATE minigroup SET state = 'creating', failure = NULL, failed_at = NULL WHERE id = $1`, c.id); err != nil {
		t.Fatal(err)
	}
	restore()
	c.assertComplete(c.awaitStatus("real-time").object)
}

func TestARetryIsRefusedAsTheCreateWas(t *testing.T) {
	t.Parallel()
	c := failedClass(t)
	restore := c.setFault(sut.conference, createRefused)
	if r := c.retry().want(t, http.StatusUnprocessableEntity); r.Type != "upstream_refused" || r.Upstream.Name != "conference" {
		t.Fatalf("got %s", r.text)
	}
	c.awaitFailed()
	restore()
	c.assertComplete(c.retry().want(t, http.StatusOK).object)
}
