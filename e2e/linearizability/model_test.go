package linearizability

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// class is the history of one class in a test.
type class struct{ Recorder }

// do records an operation that is answered at once.
func (c *class) do(o Operation, a Answer) { c.Begin(o)(a) }

// post records a create that is answered at once.
func (c *class) post(d Draft, a Answer) { c.do(Operation{Kind: Create, Draft: d}, a) }

// put records an update that is answered at once.
func (c *class) put(change Change, a Answer) { c.do(Operation{Kind: Update, Change: change}, a) }

// read records a read that is answered at once.
func (c *class) read(a Answer) { c.do(Operation{Kind: Read}, a) }

func (c *class) check(t *testing.T) error {
	t.Helper()
	return Check(c.History(), time.Minute, t.TempDir())
}

var (
	algebra = Draft{values("100", "200", "ann", "0"), "algebra"}
	biology = Draft{values("100", "200", "bob", "3"), "biology"}
	toCarl  = Change{Host: "carl"}
	toDana  = Change{Host: "dana"}
	later   = Change{Start: "150", End: "250"}
	renewed = Change{Recreate: "{}"}

	lost       = Answer{}
	noAnswer   = Answer{Code: 503, Problem: "service_unavailable"}
	notFound   = Answer{Code: 404, Problem: "class_not_found"}
	changed    = Answer{Code: 412, Problem: "precondition_failed"}
	inProgress = Answer{Code: 409, Problem: "operation_in_progress"}
	refused    = Answer{Code: 422, Problem: "upstream_refused"}
	other      = Answer{Code: 409, Problem: "class_already_established"}
	notReady   = Answer{Code: 409, Problem: "minigroup_not_ready"}
	cancelled  = Answer{Code: 409, Problem: "operation_cancelled"}
)

func values(start, end, host, reserve string) Values {
	return Values{Start: start, End: end, Host: host, Reserve: reserve}
}

// shows returns an answer that shows values.
func shows(code int, status string, v Values) Answer {
	o := Object{Status: status, Values: v}
	if status == "real-time" || status == "closed" {
		o.EventRoom, o.ConferenceRoom = "event-1", "conference-1"
	}
	return Answer{Code: code, Object: o}
}

// isReady returns an answer that shows a class with the values of a draft and of changes.
func isReady(code int, d Draft, changes ...Change) Answer {
	for _, c := range changes {
		s := state{phase: ready, values: d.Values}.apply(c, 0, false)[0]
		d.Values = s.values
	}
	return shows(code, "real-time", d.Values)
}

func (a Answer) rooms(event, conference string) Answer {
	a.Object.EventRoom, a.Object.ConferenceRoom = event, conference
	return a
}

func (a Answer) updating(state string, c Change) Answer {
	a.Object.Update = Shown{state, c}
	return a
}

func (a Answer) body(text string) Answer {
	a.Body = text
	return a
}

func (a Answer) at(now int64) Answer {
	a.Now = now
	return a
}

func TestTheModelAcceptsWhatTheContractAllows(t *testing.T) {
	for name, happens := range map[string]func(*class){
		"a create, a read and an equal create": func(c *class) {
			c.read(notFound)
			c.post(algebra, isReady(201, algebra))
			c.read(isReady(200, algebra))
			c.post(algebra, isReady(200, algebra))
			c.post(biology, other)
		},
		"reads see a create before its answer": func(c *class) {
			end := c.Begin(Operation{Kind: Create, Draft: algebra})
			c.read(notFound)
			c.read(shows(200, "creating", algebra.Values))
			c.read(isReady(200, algebra))
			end(isReady(201, algebra))
		},
		"a read that began before the create ends after it": func(c *class) {
			end := c.Begin(Operation{Kind: Read})
			c.post(algebra, isReady(201, algebra))
			end(notFound)
		},
		"an equal create joins": func(c *class) {
			end := c.Begin(Operation{Kind: Create, Draft: algebra})
			c.post(algebra, isReady(201, algebra))
			end(isReady(201, algebra))
		},
		"a create that is accepted decides later": func(c *class) {
			c.post(algebra, shows(202, "creating", algebra.Values))
			c.post(biology, inProgress)
			c.read(shows(200, "failed", algebra.Values))
			c.post(biology, shows(202, "creating", biology.Values))
			c.read(isReady(200, biology))
		},
		"an unanswered create takes effect much later": func(c *class) {
			c.post(algebra, lost)
			c.post(biology, refused)
			c.read(shows(200, "failed", biology.Values))
			c.read(shows(200, "creating", algebra.Values))
			c.read(isReady(200, algebra))
		},
		"a retry and a reset start over": func(c *class) {
			c.post(algebra, refused)
			c.do(Operation{Kind: Retry}, refused)
			c.Begin(Operation{Kind: Reset})
			c.read(isReady(200, algebra))
		},
		"updates": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.put(toCarl, isReady(200, algebra, toCarl))
			c.put(later, isReady(202, algebra, toCarl).updating("running", later))
			c.read(isReady(200, algebra, toCarl).updating("running", later))
			c.read(isReady(200, algebra, toCarl, later))
			c.put(toDana, refused)
			c.read(isReady(200, algebra, toCarl, later).updating("failed", toDana))
			c.put(toDana, isReady(200, algebra, toDana, later))
			c.put(Change{}, isReady(200, algebra, toDana, later))
		},
		"equal updates join": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			end := c.Begin(Operation{Kind: Update, Change: toCarl})
			c.put(toCarl, isReady(200, algebra, toCarl))
			end(isReady(200, algebra, toCarl))
		},
		"an unanswered update takes effect after another one": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.put(toCarl, noAnswer)
			c.put(toDana, isReady(200, algebra, toDana))
			c.read(isReady(200, algebra, toCarl))
		},
		"an unanswered update takes effect before another one that overwrites a part of it": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			both := Change{Start: "150", End: "250", Reserve: "2"}
			c.put(both, noAnswer)
			c.put(Change{Reserve: "8"}, isReady(200, algebra, both, Change{Reserve: "8"}))
		},
		"an update is overwritten before its answer is made": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			end := c.Begin(Operation{Kind: Update, Change: Change{Reserve: "3"}})
			both := Change{Host: "carl", Reserve: "8"}
			c.put(both, isReady(200, algebra, both))
			endRecreate := c.Begin(Operation{Kind: Update, Change: renewed})
			after := isReady(200, algebra, both).rooms("event-2", "conference-2")
			end(after)
			endRecreate(after)
		},
		"a recreate whose rooms are the first that anyone sees, and another one before its answer": func(c *class) {
			c.post(algebra, shows(202, "creating", algebra.Values))
			end := c.Begin(Operation{Kind: Update, Change: renewed})
			after := isReady(200, algebra).rooms("event-2", "conference-2")
			c.post(algebra, after)
			accepted := after.updating("running", renewed)
			accepted.Code = 202
			c.put(renewed, accepted)
			end(after.updating("running", renewed))
		},
		"equal recreates join": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			first := c.Begin(Operation{Kind: Update, Change: renewed})
			second := c.Begin(Operation{Kind: Update, Change: renewed})
			third := c.Begin(Operation{Kind: Update, Change: renewed})
			for _, end := range []func(Answer){second, first, third} {
				end(isReady(200, algebra).rooms("event-2", "conference-2"))
			}
		},
		"conference closes a room just before a recreate": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.Begin(Operation{Kind: CloseRoom})
			c.put(renewed, shows(200, "real-time", values("null", "null", "ann", "0")).rooms("event-2", "conference-2"))
		},
		"two unanswered updates have the same effect": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.put(toCarl, noAnswer)
			c.put(Change{Host: "carl", Reserve: "0"}, noAnswer)
			c.read(isReady(200, algebra, toCarl))
			c.put(toDana, isReady(200, algebra, toDana))
			c.put(Change{Reserve: "5"}, isReady(200, algebra, toDana, Change{Reserve: "5"}))
			c.read(isReady(200, algebra, toCarl, Change{Reserve: "5"}))
		},
		"two unanswered updates have the same effect, in the other order": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.put(toCarl, noAnswer)
			c.put(Change{Host: "carl", Reserve: "0"}, noAnswer)
			c.read(isReady(200, algebra, toCarl))
			c.put(toDana, isReady(200, algebra, toDana))
			c.put(Change{Reserve: "5"}, isReady(200, algebra, toDana, Change{Reserve: "5"}))
			c.read(isReady(200, algebra, toCarl))
		},
		"an update is made for what its caller saw": func(c *class) {
			seen := isReady(201, algebra).rooms("event-1", "conference-1")
			c.post(algebra, seen)
			c.do(Operation{Kind: Update, Change: toCarl, IfMatch: &seen.Object}, isReady(200, algebra, toCarl))
			c.do(Operation{Kind: Update, Change: toDana, IfMatch: &seen.Object}, changed)
			end := c.Begin(Operation{Kind: Update, Change: later, IfMatch: new(isReady(200, algebra, toCarl).Object)})
			c.put(toDana, inProgress)
			end(isReady(200, algebra, toCarl, later))
		},
		"an unanswered update is made for what its caller saw": func(c *class) {
			seen := isReady(201, algebra)
			c.post(algebra, seen)
			c.do(Operation{Kind: Update, Change: toCarl, IfMatch: &seen.Object}, lost)
			c.put(later, isReady(200, algebra, toCarl, later))
		},
		"a recreate": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.put(renewed, isReady(202, algebra).updating("running", renewed))
			c.read(isReady(200, algebra).rooms("event-2", "conference-2"))
		},
		"conference closes a room, and a recreate reopens the class": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.Begin(Operation{Kind: CloseRoom})
			c.read(shows(200, "closed", values("100", "120", "ann", "0")))
			c.put(toCarl, Answer{Code: 409, Problem: "minigroup_closed"})
			c.put(renewed, shows(200, "real-time", values("null", "null", "ann", "0")).rooms("event-2", "conference-2"))
		},
		"an update finds that conference has closed the room": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.Begin(Operation{Kind: CloseRoom})
			c.put(toCarl, Answer{Code: 409, Problem: "minigroup_closed"})
			c.read(shows(200, "closed", values("100", "120", "ann", "0")).updating("failed", toCarl))
		},
		"an end passes, and is moved": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.read(shows(200, "closed", algebra.Values).at(200))
			c.put(later, isReady(200, algebra, later).at(210))
		},
		"a cancel undoes a create": func(c *class) {
			end := c.Begin(Operation{Kind: Create, Draft: algebra})
			c.do(Operation{Kind: Cancel}, shows(200, "failed", algebra.Values))
			end(cancelled)
			c.read(shows(200, "failed", algebra.Values))
		},
		"a key replays what was lost": func(c *class) {
			c.do(Operation{Kind: Create, Draft: algebra, Key: "k"}, lost)
			c.read(isReady(200, algebra))
			c.put(toCarl, isReady(200, algebra, toCarl))
			for range 2 {
				c.do(Operation{Kind: Create, Draft: algebra, Key: "k"}, isReady(201, algebra).body("first"))
			}
			c.read(isReady(200, algebra, toCarl))
		},
		"an answer that was not stored for its key": func(c *class) {
			a := isReady(201, algebra).body("first")
			a.KeyMayBeLost = true
			c.do(Operation{Kind: Create, Draft: algebra, Key: "k"}, a)
			c.do(Operation{Kind: Create, Draft: algebra, Key: "k"}, isReady(200, algebra).body("second"))
		},
	} {
		var c class
		happens(&c)
		if err := c.check(t); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheModelRejectsWhatTheContractForbids(t *testing.T) {
	for name, happens := range map[string]func(*class){
		"a read does not find what was created": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.read(notFound)
		},
		"a read does not find what was accepted": func(c *class) {
			c.post(algebra, shows(202, "creating", algebra.Values))
			c.read(notFound)
		},
		"a read goes back behind an update": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.put(toCarl, isReady(200, algebra, toCarl))
			c.read(isReady(200, algebra))
		},
		"a read goes back behind another read": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			end := c.Begin(Operation{Kind: Update, Change: toCarl})
			c.read(isReady(200, algebra, toCarl))
			c.read(isReady(200, algebra))
			end(isReady(200, algebra, toCarl))
		},
		"a class that was ready is creating": func(c *class) {
			c.post(algebra, lost)
			c.read(isReady(200, algebra))
			c.read(shows(200, "creating", algebra.Values))
		},
		"a ready class refuses an update as not ready": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.put(toCarl, notReady)
		},
		"an update is made for what the minigroup was before": func(c *class) {
			seen := isReady(201, algebra)
			c.post(algebra, seen)
			c.put(toCarl, isReady(200, algebra, toCarl))
			c.do(Operation{Kind: Update, Change: later, IfMatch: &seen.Object}, isReady(200, algebra, toCarl, later))
		},
		"an update is made for the rooms before": func(c *class) {
			seen := isReady(201, algebra)
			c.post(algebra, seen)
			c.put(renewed, isReady(200, algebra).rooms("event-2", "conference-2"))
			c.do(Operation{Kind: Update, Change: toCarl, IfMatch: &seen.Object},
				isReady(200, algebra, toCarl).rooms("event-2", "conference-2"))
		},
		"an unanswered update is made for what the minigroup was before": func(c *class) {
			seen := isReady(201, algebra)
			c.post(algebra, seen)
			c.put(toCarl, isReady(200, algebra, toCarl))
			c.do(Operation{Kind: Update, Change: later, IfMatch: &seen.Object}, lost)
			c.read(isReady(200, algebra, toCarl, later))
		},
		"an update is half committed": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			both := Change{Host: "carl", Reserve: "7"}
			c.put(both, isReady(202, algebra).updating("running", both))
			c.read(isReady(200, algebra, toCarl))
		},
		"an update that failed is committed": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.put(toCarl, refused)
			c.read(isReady(200, algebra, toCarl))
		},
		"an update is committed twice": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.put(toCarl, noAnswer)
			c.read(isReady(200, algebra, toCarl))
			c.put(toDana, isReady(200, algebra, toDana))
			c.read(isReady(200, algebra, toCarl))
		},
		"an update that succeeded is shown as running": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.put(toCarl, isReady(200, algebra, toCarl))
			c.read(isReady(200, algebra, toCarl).updating("running", toCarl))
		},
		"a failed update is shown after a later one has succeeded": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.put(toCarl, refused)
			c.put(toDana, isReady(200, algebra, toDana))
			c.read(isReady(200, algebra, toDana).updating("failed", toCarl))
		},
		"nobody has requested a value": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.read(isReady(200, algebra, toCarl))
		},
		"an equal create creates a second class": func(c *class) {
			end := c.Begin(Operation{Kind: Create, Draft: algebra})
			c.post(algebra, isReady(201, algebra).rooms("event-2", "conference-2"))
			end(isReady(201, algebra))
		},
		"two drafts are both created": func(c *class) {
			end := c.Begin(Operation{Kind: Create, Draft: algebra})
			c.post(biology, isReady(201, biology))
			end(isReady(201, algebra))
		},
		"an equal create is refused": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.post(algebra, other)
		},
		"a create fails and is ready": func(c *class) {
			c.post(algebra, refused)
			c.read(isReady(200, algebra))
		},
		"a create begins twice": func(c *class) {
			c.post(algebra, noAnswer)
			c.read(shows(200, "failed", algebra.Values))
			c.read(shows(200, "creating", algebra.Values))
		},
		"a create is answered with what another draft has created": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.post(Draft{algebra.Values, "another"}, isReady(200, algebra))
		},
		"what was refused because of another operation takes effect": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.put(toCarl, inProgress)
			c.read(isReady(200, algebra, toCarl))
		},
		"a create that was ready fails": func(c *class) {
			end := c.Begin(Operation{Kind: Create, Draft: algebra})
			c.read(isReady(200, algebra))
			end(refused)
		},
		"a cancel is answered as done, and the class becomes ready": func(c *class) {
			c.post(algebra, shows(202, "creating", algebra.Values))
			c.do(Operation{Kind: Cancel}, shows(200, "failed", algebra.Values))
			c.read(isReady(200, algebra))
		},
		"a cancel is answered as done while the class is creating": func(c *class) {
			c.post(algebra, shows(202, "creating", algebra.Values))
			c.do(Operation{Kind: Cancel}, shows(200, "creating", algebra.Values))
		},
		"a key shows something else than its first answer": func(c *class) {
			c.do(Operation{Kind: Create, Draft: algebra, Key: "k"}, isReady(201, algebra).body("first"))
			c.put(toCarl, isReady(200, algebra, toCarl))
			c.do(Operation{Kind: Create, Draft: algebra, Key: "k"}, isReady(200, algebra, toCarl).body("second"))
		},
		"a key replays two answers": func(c *class) {
			c.do(Operation{Kind: Create, Draft: algebra, Key: "k"}, lost)
			c.do(Operation{Kind: Create, Draft: algebra, Key: "k"}, isReady(201, algebra).body("first"))
			c.do(Operation{Kind: Create, Draft: algebra, Key: "k"}, isReady(200, algebra).body("second"))
		},
		"old rooms come back": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.put(renewed, isReady(200, algebra).rooms("event-2", "conference-2"))
			c.read(isReady(200, algebra))
		},
		"a recreate keeps a room": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.put(renewed, isReady(200, algebra).rooms("event-1", "conference-2"))
		},
		"a class is closed although nobody has closed its room": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.read(shows(200, "closed", algebra.Values).at(199))
		},
		"a class that refused an update as closed is open": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.Begin(Operation{Kind: CloseRoom})
			c.put(toCarl, Answer{Code: 409, Problem: "minigroup_closed"})
			c.read(isReady(200, algebra))
		},
		"a closed class is open again": func(c *class) {
			c.post(algebra, isReady(201, algebra))
			c.Begin(Operation{Kind: CloseRoom})
			c.read(shows(200, "closed", values("100", "120", "ann", "0")))
			c.read(isReady(200, algebra))
		},
		"one ETag stands for two bodies": func(c *class) {
			for _, text := range []string{"one", "two"} {
				a := notFound.body(text)
				a.ETag = "tag"
				c.read(a)
			}
		},
	} {
		var c class
		happens(&c)
		if err := c.check(t); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestManyUnansweredRequestsAreCheckedQuickly checks a history in which requests are often lost, whose effects may come
// at any later time.
func TestManyUnansweredRequestsAreCheckedQuickly(t *testing.T) {
	var c class
	var changes []Change
	for i := range 15 {
		c.post([]Draft{algebra, biology}[i%2], noAnswer)
	}
	c.post(algebra, isReady(201, algebra))
	for i := range 60 {
		change := []Change{toCarl, toDana, later, {Reserve: "5"}, {Host: "eve", Reserve: "8"}, {Reserve: "2"}}[i/10]
		c.put(change, noAnswer)
		if i%10 == 9 {
			changes = append(changes, change)
			c.put(change, isReady(200, algebra, changes...))
			for range 20 {
				c.read(isReady(200, algebra, changes...))
			}
		}
	}
	if err := c.check(t); err != nil {
		t.Error(err)
	}
	c.read(isReady(200, algebra, toCarl, Change{Host: "nobody"}))
	if err := c.check(t); err == nil || strings.Contains(err.Error(), "did not end") {
		t.Errorf("a value that nobody has requested: %v", err)
	}
}

// TestUnansweredUpdatesDoNotDelayTheCheck checks a history with many different updates, each of which may still come.
func TestUnansweredUpdatesDoNotDelayTheCheck(t *testing.T) {
	var c class
	c.post(algebra, isReady(201, algebra))
	for i := range 30 {
		host, reserve := fmt.Sprintf("host-%d", i), fmt.Sprint(i+1)
		c.put([]Change{{Host: host}, {Reserve: reserve}, {Host: host, Reserve: reserve}}[i%3], noAnswer)
		c.read(isReady(200, algebra))
	}
	c.read(isReady(200, algebra, Change{Host: "host-23", Reserve: "17"}))
	c.put(renewed, isReady(202, algebra, Change{Host: "host-3", Reserve: "17"}).updating("running", renewed))
	if err := c.check(t); err != nil {
		t.Error(err)
	}
	c.read(isReady(200, algebra, Change{Host: "host-23", Reserve: "2"}))
	if err := c.check(t); err == nil || strings.Contains(err.Error(), "did not end") {
		t.Errorf("an update that was spent: %v", err)
	}
}

var historyFile = flag.String("history", "", "the JSON file of a history that was not explained, to check it again")

// TestAViolationIsKept checks that a history can be looked at, and checked again. With -history it checks that file.
func TestAViolationIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pictures")
	if *historyFile == "" {
		var c class
		c.post(algebra, isReady(201, algebra))
		c.read(notFound)
		picture, err := filepath.Join(dir, ".html"), Check(c.History(), time.Minute, dir)
		if err == nil || !strings.Contains(err.Error(), picture) {
			t.Fatalf("the error does not name %s: %v", picture, err)
		}
		text, err := os.ReadFile(picture)
		if err != nil || !strings.Contains(string(text), "class_not_found") {
			t.Errorf("the picture does not show the answer (%d bytes, %v)", len(text), err)
		}
		*historyFile = filepath.Join(dir, ".json")
		defer func() { *historyFile = "" }()
	}
	text, err := os.ReadFile(*historyFile)
	if err != nil {
		t.Fatal(err)
	}
	var history []Operation
	if err := json.Unmarshal(text, &history); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	err = Check(map[string][]Operation{"": history}, time.Minute, dir)
	t.Logf("%d operations checked in %s: %v", len(history), time.Since(begun), err)
	if err == nil {
		t.Error("the history is explained now")
	}
}
