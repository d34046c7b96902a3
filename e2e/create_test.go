package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"minigroups/sandbox"
	"minigroups/workflows"
)

func TestAMinigroupIsReadyWithOneRoomOfEachKind(t *testing.T) {
	c := newClass(t)
	r := c.post().want(t, http.StatusCreated)
	if got := r.header.Get("Location"); got != c.path() {
		t.Fatalf("Location is %q, want %q", got, c.path())
	}
	recordHistory(t, "create ready", c.workflowID())
	if r.ID != c.scope || r.ClassID != c.id || r.Status != "real-time" {
		t.Fatalf("got %s", r.text)
	}
	c.assertComplete(r.object)
	room := c.openRooms(sut.conference)[0]
	if room.RTCSharingPolicy != "owned" || room.Reserve != nil || *room.Time[0] != c.start || room.Time[1] != nil {
		t.Fatalf("the conference room is %+v", room)
	}
	byScope := request(t, http.MethodGet, c.byScope(), nil).want(t, http.StatusOK)
	if byScope.text != r.text || c.get().text != r.text {
		t.Fatalf("GET shows something else than POST:\n%s\n%s\n%s", r.text, byScope.text, c.get().text)
	}
	t.Run("a repeated POST is answered with the same object", func(t *testing.T) {
		if again := c.post().want(t, http.StatusOK); again.text != r.text {
			t.Fatalf("got %s, want %s", again.text, r.text)
		}
	})
	t.Run("a different POST is a conflict", func(t *testing.T) {
		c.body["host"] = "another.example.org"
		if again := c.post().want(t, http.StatusConflict); again.Type != "class_already_established" {
			t.Fatalf("got %s", again.text)
		}
	})
	c.assertComplete(r.object)
}

func TestFiftyEqualPostsMakeOneMinigroup(t *testing.T) {
	c := newClass(t)
	replies := sendConcurrently(t, 50, http.MethodPost, "/api/v1/minigroups", func(int) any { return c.body })
	created := 0
	for _, r := range replies {
		if r.code == http.StatusCreated {
			created++
		} else {
			r.want(t, http.StatusOK)
		}
		if r.text != replies[0].text {
			t.Fatalf("two answers differ: %s and %s", r.text, replies[0].text)
		}
	}
	if created == 0 {
		t.Fatal("no request was answered 201")
	}
	c.assertComplete(replies[0].object)
	c.assertOneRoomMade()
}

func TestARefusalUndoesEverything(t *testing.T) {
	c := newClass(t)
	restore := c.setFault(sut.conference, createRefused)
	r := c.post().want(t, http.StatusUnprocessableEntity)
	if r.Type != "upstream_refused" || r.Upstream == nil ||
		r.Upstream.Name != "conference" || r.Upstream.Type != "access_denied" {
		t.Fatalf("got %s", r.text)
	}
	c.assertNothingLeft()
	if o := c.get(); o.Status != "failed" || o.Failure == nil || o.Failure.Type != "upstream_refused" {
		t.Fatalf("got %s", o.text)
	}
	recordHistory(t, "create refused", c.workflowID())
	restore()
	again := c.post().want(t, http.StatusCreated)
	if again.ClassID != c.id {
		t.Fatalf("the class has another id: %s", again.text)
	}
	c.assertComplete(again.object)
}

func TestACancelDuringTheFirstWorkflowTaskUndoesEverything(t *testing.T) {
	c := newClass(t)
	restore := c.setFault(sut.conference, createHangs)
	c.postAsync()
	c.awaitEventRoom() // the first workflow task runs, and the create of the conference room is in flight
	c.cancel()
	r := c.awaitStatus("failed")
	if r.Failure.Type != "operation_cancelled" {
		t.Fatalf("got %s", r.text)
	}
	recordHistory(t, "create cancelled", c.workflowID())
	restore()
	c.assertNothingLeft()
}

func TestASagaContinuesAfterItsWorkerWasKilled(t *testing.T) {
	c := newClass(t)
	restore := c.setFault(sut.conference, createHangs)
	c.postAsync()
	c.awaitEventRoom()
	if err := sut.worker.Kill(); err != nil {
		t.Fatal(err)
	}
	restore()
	if o := c.get(); o.Status != "creating" {
		t.Fatalf("without a worker the status is %v", o.Status)
	}
	if err := sut.startWorker(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.assertComplete(c.awaitStatus("real-time").object)
	recordHistory(t, "create after its worker was killed", c.workflowID())
	t.Run("its attempt without an answer is lost", func(t *testing.T) {
		sweepUntil(t, workflows.ScheduleClasses, func() error {
			return c.hasAttempts(1, "conference", "lost")
		})
	})
}

func TestACreateWaitsForAServiceThatIsDown(t *testing.T) {
	c := newClass(t)
	restore := c.setFault(sut.conference, createFails)
	r := c.post("Prefer", "wait=1").want(t, http.StatusAccepted)
	if r.header.Get("Location") != c.path() || r.header.Get("Retry-After") == "" {
		t.Fatalf("got %v", r.header)
	}
	if r.Status != "creating" || r.RealTime != nil {
		t.Fatalf("got %s", r.text)
	}
	if o := c.get(); o.Status != "creating" {
		t.Fatalf("got %s", o.text)
	}
	restore()
	c.assertComplete(c.awaitStatus("real-time").object)
	recordHistory(t, "create after waiting", c.workflowID())
}

func TestALostReplyLeavesOneHeldRoomAndOneLostAttempt(t *testing.T) {
	c := newClass(t)
	c.setFault(sut.event, createReplyLost)
	r := c.post().want(t, http.StatusCreated)
	if n := len(c.openRooms(sut.event)); n != 2 {
		t.Fatalf("event has %d rooms; the fault left no room whose id is unknown", n)
	}
	eventually(t, func() error { return c.hasAttempts(1, "event", "lost") })
	if err := c.hasAttempts(1, "event", "held"); err != nil || r.RealTime == nil {
		t.Fatalf("%v: %s", err, r.text)
	}
}

func TestReadsWorkWhileEverythingButPostgresIsDown(t *testing.T) {
	c := newClass(t)
	r := c.post().want(t, http.StatusCreated)
	freeze(t, sut.temporal)
	freeze(t, sut.sandbox)
	freeze(t, sut.janus)
	got := c.get()
	refused := newClass(t)
	answer := refused.post()
	sut.janus.Thaw()
	sut.sandbox.Thaw()
	sut.temporal.Thaw()
	if got.text != r.text {
		t.Fatalf("got %s, want %s", got.text, r.text)
	}
	answer.want(t, http.StatusServiceUnavailable)
	if answer.Type != "service_unavailable" || answer.header.Get("Retry-After") == "" {
		t.Fatalf("got %v %s", answer.header, answer.text)
	}
	eventually(t, func() error { // a run may have been started: a repeated POST joins it
		if again := refused.post(); again.code != http.StatusCreated && again.code != http.StatusOK {
			return fmt.Errorf("%d %s", again.code, again.text)
		}
		return nil
	})
	refused.assertComplete(refused.get().object)
}

func TestBadInputLeavesNothingBehind(t *testing.T) {
	const ok = `"audience":"example.org","host":"h.example.org"`
	for name, body := range map[string]string{
		"an array":                 `[]`,
		"half an object":           `{`,
		"a megabyte":               `{"scope":"` + strings.Repeat("x", 1<<20) + `"}`,
		"an end before the start":  `{"scope":"bad",` + ok + `,"time":[5,3]}`,
		"a fraction":               `{"scope":"bad",` + ok + `,"time":[1.5,2]}`,
		"floats":                   `{"scope":"bad",` + ok + `,"time":[1.0,2.0]}`,
		"an end in the past":       `{"scope":"bad",` + ok + `,"time":[1,2]}`,
		"a negative reserve":       `{"scope":"bad",` + ok + `,"reserve":-1}`,
		"a reserve beyond int32":   `{"scope":"bad",` + ok + `,"reserve":2147483648}`,
		"an empty scope":           `{"scope":"",` + ok + `}`,
		"no host":                  `{"scope":"bad","audience":"example.org"}`,
		"tags as an array":         `{"scope":"bad",` + ok + `,"tags":[]}`,
		"NUL deep in tags":         `{"scope":"bad",` + ok + `,"tags":{"a":[{"b":"x\u0000"}]}}`,
		"half a surrogate in tags": `{"scope":"bad",` + ok + `,"tags":{"a":[{"b":"\ud800"}]}}`,
		"a thousand levels":        `{"scope":"bad",` + ok + `,"tags":{"a":` + nested(1000) + `}}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t, http.MethodPost, "/api/v1/minigroups", body)
			if r.code < 400 || r.code > 499 || r.Type == "" || (r.code == http.StatusBadRequest && len(r.Errors) == 0) {
				t.Fatalf("got %d %s", r.code, r.text)
			}
			const written = `SELECT count(*) FROM minigroup WHERE scope IN ('bad', '')`
			var rows int
			if err := sut.db.QueryRow(t.Context(), written).Scan(&rows); err != nil || rows != 0 {
				t.Fatalf("%d rows were written, %v", rows, err)
			}
			id := workflows.WorkflowID("example.org", "bad")
			if _, err := sut.client.DescribeWorkflowExecution(t.Context(), id, ""); err == nil {
				t.Fatal("a workflow was started")
			}
		})
	}
}

func nested(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }

func TestScopesOfAnyAlphabet(t *testing.T) {
	for _, scope := range []string{
		"a/b", "с пробелом", "100%", "%2F", "a+b", "?x=1#y", strings.Repeat("Ж", 255),
	} {
		t.Run(scope, func(t *testing.T) {
			c := newClass(t)
			c.setScope(scope)
			r := c.post().want(t, http.StatusCreated)
			got := request(t, http.MethodGet, c.byScope(), nil).want(t, http.StatusOK)
			if got.text != r.text || got.ID != scope || r.ClassID != c.id {
				t.Fatalf("got %s, want %s", got.text, r.text)
			}
			c.assertComplete(r.object)
		})
	}
}

func TestARoomCreatedAfterTheUndoIsClosed(t *testing.T) {
	c := newClass(t)
	c.setFault(sut.conference, createLate(3500))
	c.postAsync()
	c.awaitEventRoom()
	c.cancel()
	c.awaitStatus("failed")
	const unanswered = `SELECT count(*) FROM room_attempt WHERE class_id = $1 AND state = 'releasing' AND room_id IS NULL`
	if n := c.count(unanswered); n != 1 {
		t.Fatal("the reply came before the undo had ended, so this tests nothing")
	}
	var rooms []sandbox.Room
	eventually(t, func() error {
		if rooms = c.rooms(sut.conference); len(rooms) == 0 || rooms[0].Open {
			return fmt.Errorf("conference has %+v", rooms)
		}
		return nil
	})
	c.assertNothingLeft()
	recordHistory(t, "room closed", "room/conference/"+rooms[0].ID.String())
}
