package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
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
	if byScope := request(t, http.MethodGet, c.byScope(), nil).want(t, http.StatusOK); byScope.text != r.text || c.get().text != r.text {
		t.Fatalf("GET shows something else than POST:\n%s\n%s\n%s", r.text, byScope.text, c.get().text)
	}
	t.Run("the same POST again is answered with the same object", func(t *testing.T) {
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
	replies := make([]reply, 50)
	var wg sync.WaitGroup
	for i := range replies {
		wg.Go(func() {
			var err error
			if replies[i], err = send(t.Context(), http.MethodPost, "/api/v1/minigroups", c.body); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
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
		t.Fatal("nobody was told that it was created")
	}
	c.assertComplete(replies[0].object)
	if e, v := c.rooms(sut.event), c.rooms(sut.conference); len(e) != 1 || len(v) != 1 {
		t.Fatalf("%d event rooms and %d conference rooms were made", len(e), len(v))
	}
}

func TestARefusalUndoesEverything(t *testing.T) {
	c := newClass(t)
	restore := c.setFault(sut.conference, sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectRefuse, Type: "access_denied", Status: 403})
	r := c.post().want(t, http.StatusUnprocessableEntity)
	if r.Type != "upstream_refused" || r.Upstream == nil || r.Upstream.Name != "conference" || r.Upstream.Type != "access_denied" {
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

func TestACancelInMidTaskUndoesEverything(t *testing.T) {
	c := newClass(t)
	restore := c.setFault(sut.conference, sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectHang})
	c.post("Prefer", "respond-async").want(t, http.StatusAccepted)
	eventually(t, func() error { // the first workflow task is at work: event has its room, conference is asked
		if len(c.openRooms(sut.event)) == 0 {
			return fmt.Errorf("event has no room yet")
		}
		return nil
	})
	if err := sut.client.CancelWorkflow(t.Context(), c.workflowID(), ""); err != nil {
		t.Fatal(err)
	}
	r := c.awaitStatus("failed")
	if r.Failure.Type != "operation_cancelled" {
		t.Fatalf("got %s", r.text)
	}
	recordHistory(t, "create cancelled", c.workflowID())
	restore()
	c.assertNothingLeft()
}

func TestAWorkerKilledInMidSagaIsHealed(t *testing.T) {
	c := newClass(t)
	restore := c.setFault(sut.conference, sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectHang})
	c.post("Prefer", "respond-async").want(t, http.StatusAccepted)
	eventually(t, func() error {
		if len(c.openRooms(sut.event)) == 0 {
			return fmt.Errorf("event has no room yet")
		}
		return nil
	})
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
	t.Run("what it had asked for without an answer is lost", func(t *testing.T) {
		sweepUntil(t, workflows.ScheduleClasses, func() error {
			if n := c.count(`SELECT count(*) FROM room_attempt WHERE class_id = $1 AND kind = 'conference' AND state = 'lost'`); n != 1 {
				return fmt.Errorf("%d attempts are lost", n)
			}
			return nil
		})
	})
}

func TestAServiceThatWasDownIsWaitedFor(t *testing.T) {
	c := newClass(t)
	restore := c.setFault(sut.conference, sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectFail})
	r := c.post("Prefer", "wait=1").want(t, http.StatusAccepted)
	if r.header.Get("Location") != c.path() || r.header.Get("Retry-After") == "" || r.Status != "creating" || r.RealTime != nil {
		t.Fatalf("got %v %s", r.header, r.text)
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
	c.setFault(sut.event, sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLoseReply, Times: 1})
	r := c.post().want(t, http.StatusCreated)
	if n := len(c.openRooms(sut.event)); n != 2 {
		t.Fatalf("event has %d rooms; the fault did not make one that nobody knows of", n)
	}
	eventually(t, func() error {
		if n := c.count(`SELECT count(*) FROM room_attempt WHERE class_id = $1 AND kind = 'event' AND state = 'lost'`); n != 1 {
			return fmt.Errorf("%d attempts are lost", n)
		}
		return nil
	})
	if n := c.count(`SELECT count(*) FROM room_attempt WHERE class_id = $1 AND kind = 'event' AND state = 'held'`); n != 1 || r.RealTime == nil {
		t.Fatalf("%d attempts are held: %s", n, r.text)
	}
}

func TestAnUpdateMovesTheClass(t *testing.T) {
	c := newClass(t)
	before := c.post().want(t, http.StatusCreated)
	start, end := c.start+600, c.start+4800
	r := request(t, http.MethodPut, c.path(), map[string]any{"time": []int64{start, end}}).want(t, http.StatusOK)
	if *r.Time[0] != start || *r.Time[1] != end || r.Update != nil {
		t.Fatalf("got %s", r.text)
	}
	was := strings.NewReplacer(fmt.Sprint(c.start), fmt.Sprint(start), fmt.Sprint(c.start+3600), fmt.Sprint(end)).Replace(before.text)
	if was != r.text || c.get().text != r.text {
		t.Fatalf("more than the time changed:\n%s\n%s\n%s", before.text, r.text, c.get().text)
	}
	if room := c.openRooms(sut.conference)[0]; *room.Time[0] != start || room.Time[1] != nil {
		t.Fatalf("the conference room is %+v", room)
	}
	recordHistory(t, "update done", c.workflowID())
	c.assertComplete(r.object)
	t.Run("reserve and host by scope", func(t *testing.T) {
		r := request(t, http.MethodPut, c.byScope(), map[string]any{"reserve": 3, "host": "web.teacher.example.org"}).want(t, http.StatusOK)
		if *r.Reserve != 3 || r.Host != "web.teacher.example.org" || *r.Time[0] != start {
			t.Fatalf("got %s", r.text)
		}
		if room := c.openRooms(sut.conference)[0]; room.Host == nil || *room.Host != "web.teacher.example.org" {
			t.Fatalf("the conference room is %+v", room)
		}
		c.assertComplete(r.object)
	})
	t.Run("nothing asked is nothing changed", func(t *testing.T) {
		before := c.get()
		if r := request(t, http.MethodPut, c.path(), `{}`).want(t, http.StatusOK); r.text != before.text {
			t.Fatalf("got %s, want %s", r.text, before.text)
		}
	})
}

func TestARefusedUpdateChangesNothing(t *testing.T) {
	c := newClass(t)
	before := c.post().want(t, http.StatusCreated)
	rooms := c.rooms(sut.conference)
	c.setFault(sut.conference, sandbox.Fault{Operation: sandbox.OperationUpdate, Do: sandbox.EffectRefuse, Type: "room_time_changing_forbidden"})
	r := request(t, http.MethodPut, c.path(), map[string]any{"time": []int64{c.start + 60, c.start + 120}, "reserve": 20}).want(t, http.StatusUnprocessableEntity)
	if r.Type != "room_time_changing_forbidden" {
		t.Fatalf("got %s", r.text)
	}
	recordHistory(t, "update refused", c.workflowID())
	after := c.get()
	if after.Update == nil || after.Update.State != "failed" || *after.Time[0] != c.start || *after.Reserve != 8 {
		t.Fatalf("got %s", after.text)
	}
	if now := c.rooms(sut.conference); !slices.EqualFunc(rooms, now, func(a, b sandbox.Room) bool { return *a.Time[0] == *b.Time[0] && a.ID == b.ID }) {
		t.Fatalf("conference changed: %+v, was %+v", now, rooms)
	}
	c.assertComplete(before.object)
}

func TestReadsWorkWhileEverythingElseIsAway(t *testing.T) {
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
	if answer.want(t, http.StatusServiceUnavailable); answer.Type != "service_unavailable" || answer.header.Get("Retry-After") == "" {
		t.Fatalf("got %v %s", answer.header, answer.text)
	}
	eventually(t, func() error { // whether a run was started is unknown: the same POST joins it
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
		"a thousand levels":        `{"scope":"bad",` + ok + `,"tags":{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t, http.MethodPost, "/api/v1/minigroups", body)
			if r.code < 400 || r.code > 499 || r.Type == "" || (r.code == http.StatusBadRequest && len(r.Errors) == 0) {
				t.Fatalf("got %d %s", r.code, r.text)
			}
			var rows int
			if err := sut.db.QueryRow(t.Context(), `SELECT count(*) FROM minigroup WHERE scope IN ('bad', '')`).Scan(&rows); err != nil || rows != 0 {
				t.Fatalf("%d rows were written, %v", rows, err)
			}
			if _, err := sut.client.DescribeWorkflowExecution(t.Context(), workflows.WorkflowID("example.org", "bad"), ""); err == nil {
				t.Fatal("a workflow was started")
			}
		})
	}
}

func TestScopesOfAnyAlphabet(t *testing.T) {
	for _, scope := range []string{"a/b", "с пробелом", "100%", "%2F", "a+b", "?x=1#y", strings.Repeat("Ж", 255)} {
		t.Run(scope, func(t *testing.T) {
			c := newClass(t)
			c.scope = scope
			c.body["scope"] = scope
			r := c.post().want(t, http.StatusCreated)
			c.id = r.ClassID
			if got := request(t, http.MethodGet, c.byScope(), nil).want(t, http.StatusOK); got.text != r.text || got.ID != scope {
				t.Fatalf("got %s, want %s", got.text, r.text)
			}
			c.assertComplete(r.object)
		})
	}
}

func TestAnUpdateThatWaitsIsToldAndFinished(t *testing.T) {
	c := newClass(t)
	c.post().want(t, http.StatusCreated)
	restore := c.setFault(sut.conference, sandbox.Fault{Operation: sandbox.OperationUpdate, Do: sandbox.EffectHang})
	moved := map[string]any{"time": []int64{c.start + 60, c.start + 120}}
	r := request(t, http.MethodPut, c.path(), moved, "Prefer", "respond-async").want(t, http.StatusAccepted)
	if r.Update == nil || r.Update.State != "running" || *r.Time[0] != c.start {
		t.Fatalf("got %s", r.text)
	}
	if o := c.get(); o.Update == nil || o.Update.State != "running" {
		t.Fatalf("got %s", o.text)
	}
	t.Run("an equal update joins, another is told to come back", func(t *testing.T) {
		request(t, http.MethodPut, c.path(), moved, "Prefer", "respond-async").want(t, http.StatusAccepted)
		other := request(t, http.MethodPut, c.path(), map[string]any{"reserve": 1}).want(t, http.StatusConflict)
		if other.Type != "operation_in_progress" || other.header.Get("Retry-After") == "" {
			t.Fatalf("got %v %s", other.header, other.text)
		}
	})
	t.Run("a cancel changes nothing once conference may have been asked", func(t *testing.T) {
		eventually(t, func() error {
			if n := c.count(`SELECT coalesce(sum(patches), 0) FROM minigroup_update WHERE class_id = $1`); n == 0 {
				return fmt.Errorf("conference was not asked yet")
			}
			return nil
		})
		if err := sut.client.CancelWorkflow(t.Context(), c.workflowID(), ""); err != nil {
			t.Fatal(err)
		}
	})
	restore()
	eventually(t, func() error {
		if o := c.get(); o.Update != nil || *o.Time[0] != c.start+60 {
			return fmt.Errorf("got %s", o.text)
		}
		return nil
	})
	if room := c.openRooms(sut.conference)[0]; *room.Time[0] != c.start+60 {
		t.Fatalf("the conference room is %+v", room)
	}
	recordHistory(t, "update cancelled after its pivot", c.workflowID())
}

func TestARoomThatComesAfterTheUndoIsClosed(t *testing.T) {
	c := newClass(t)
	c.setFault(sut.conference, sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLate, DelayMS: 3500})
	c.post("Prefer", "respond-async").want(t, http.StatusAccepted)
	eventually(t, func() error {
		if len(c.openRooms(sut.event)) == 0 {
			return fmt.Errorf("event has no room yet")
		}
		return nil
	})
	if err := sut.client.CancelWorkflow(t.Context(), c.workflowID(), ""); err != nil {
		t.Fatal(err)
	}
	c.awaitStatus("failed")
	if n := c.count(`SELECT count(*) FROM room_attempt WHERE class_id = $1 AND state = 'releasing' AND room_id IS NULL`); n != 1 {
		t.Fatal("the reply came before the undo had ended, so nothing is tried here")
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
