package e2e

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
)

// assertRetryRefused asserts that a retry is refused with a detail that contains this.
func (c *class) assertRetryRefused(detail string) {
	c.t.Helper()
	r := c.retry().want(c.t, http.StatusConflict)
	if r.Type != "retry_not_possible" || !strings.Contains(r.Detail, detail) {
		c.t.Fatalf("got %s", r.text)
	}
}

func TestARetryRestartsAFailedCreate(t *testing.T) {
	t.Parallel()
	c := failedClass(t)
	before := c.get()
	request(t, http.MethodPut, c.path()+"/properties/note", `"set since"`).want(t, http.StatusOK)
	r := c.retry().want(t, http.StatusOK)
	c.assertComplete(r.object)
	if r.Status != "real-time" || r.ClassID != before.ClassID || r.Failure != nil {
		t.Fatalf("got %s", r.text)
	}
	if r := c.post().want(t, http.StatusOK); r.RealTime == nil { // it still equals the first POST
		t.Fatalf("got %s", r.text)
	}
	c.assertRetryRefused("nothing has failed")
	c.assertComplete(c.get().object)
	c.awaitRunStatus(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
}

func TestASecondRetryJoinsTheFirst(t *testing.T) {
	t.Parallel()
	c := failedClass(t)
	restore := c.setFault(sut.conference, createFails)
	r := c.retry("Prefer", "respond-async").want(t, http.StatusAccepted)
	if r.Status != "creating" || r.header.Get("Location") != c.path() {
		t.Fatalf("got %v %s", r.header, r.text)
	}
	if r := c.retry("Prefer", "respond-async").want(t, http.StatusAccepted); r.Status != "creating" {
		t.Fatalf("got %s", r.text)
	}
	c.awaitRetryOf("CreateConferenceRoom")
	run := c.latestRun()
	restore()
	c.assertComplete(c.awaitStatus("real-time").object)
	if c.latestRun() != run {
		t.Fatal("another run was started")
	}
}

func TestConcurrentRetriesStartOneRun(t *testing.T) {
	t.Parallel()
	c := failedClass(t)
	restore := c.setFault(sut.conference, createFails) // so that the first runs while the others arrive
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if r := c.retry("Prefer", "respond-async"); r.code != http.StatusAccepted {
				t.Errorf("got %d %s", r.code, r.text)
			}
		})
	}
	wg.Wait()
	restore()
	c.assertComplete(c.awaitStatus("real-time").object)
	if n := c.count(`SELECT count(DISTINCT run) FROM room_attempt WHERE class_id = $1`); n != 2 {
		t.Fatalf("%d runs sent creates, want the first and one retry", n)
	}
}

// TestAFailedRunThatIsOpenIsNotJoined sets the row to failed while its run is open, as it is just before that run
// closes. A request that joined this run would return the old failure.
func TestAFailedRunThatIsOpenIsNotJoined(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]struct {
		send func(c *class, headers ...string) reply
		code int // of a success
	}{
		"POST":  {(*class).post, http.StatusCreated},
		"retry": {(*class).retry, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClass(t)
			restore := c.setFault(sut.conference, createFails)
			c.postAsync()
			c.awaitRetryOf("CreateConferenceRoom")
			c.exec(`UPDATE minigroup SET state = 'undoing', failure = '{"kind":"upstream_refused"}' WHERE id = $1`)
			c.exec(`UPDATE minigroup SET state = 'failed', failed_at = now() WHERE id = $1`)
			first := c.latestRun()
			time.AfterFunc(time.Second, func() { // while the request waits for the end of the run
				_ = sut.client.TerminateWorkflow(context.Background(), c.workflowID(), first, "a test pressed Terminate")
				restore()
			})
			c.assertComplete(request.send(c, "Prefer", "wait=30").want(t, request.code).object)
			if c.latestRun() == first {
				t.Error("no other run was started")
			}
		})
	}
}

func TestARetryFailsAsTheCreateDid(t *testing.T) {
	t.Parallel()
	c := failedClass(t)
	restore := c.setFault(sut.conference, createRefused)
	r := c.retry().want(t, http.StatusUnprocessableEntity)
	if r.Type != "upstream_refused" || r.Upstream.Name != "conference" {
		t.Fatalf("got %s", r.text)
	}
	c.awaitFailed()
	restore()
	c.assertComplete(c.retry().want(t, http.StatusOK).object)
}
