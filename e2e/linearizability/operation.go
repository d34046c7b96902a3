package linearizability

import (
	"cmp"
	"fmt"
)

// Kind is what an operation requests.
type Kind string

// The kinds of operations. The last two are not requests of callers but what others do to a class.
const (
	Create    Kind = "create"
	Update    Kind = "update" // also a recreate
	Retry     Kind = "retry"
	Cancel    Kind = "cancel"
	Read      Kind = "read" // of any API process, by id or by scope
	Reset     Kind = "reset"
	CloseRoom Kind = "close room"
)

// Operation is one request, or one act of others, and its answer.
type Operation struct {
	Kind Kind
	// Class distinguishes classes. Each is checked for itself.
	Class string
	// Draft is what a Create requests.
	Draft Draft
	// Change is what an Update requests.
	Change Change
	// IfMatch is the minigroup that an Update is made for, and no other; nil without a condition.
	IfMatch *Object `json:",omitempty"`
	// Key is the idempotency key of a Create or a Retry; empty without one.
	Key string
	// Answer is the zero Answer if the caller has none.
	Answer Answer

	// Called and Answered are places in the order of all calls and answers, which the Recorder gives. Answered is 0
	// without an answer.
	Called, Answered int64
}

// Answer is what a caller received.
type Answer struct {
	// Code is the status code; 0 if there was no answer.
	Code int
	// Problem is the type of the problem; empty if the request succeeded.
	Problem string
	// Object is the minigroup that was shown. The caller sets it for a 304, too: to what it has under that ETag.
	Object Object
	// Body is the whole body. Two answers with one ETag must have one body, and so must two replays of a key.
	Body, ETag string
	// Now is the time in unix seconds at the latest when the answer was made: an end may have passed by then.
	Now int64
	// KeyMayBeLost says that the answer may not have been stored for its key, because of a fault.
	KeyMayBeLost bool
}

// Values are the visible values of a class that updates change. Sides of the time are unix seconds or "null".
type Values struct{ Start, End, Host, Reserve string }

// Draft is the body of a create.
type Draft struct {
	Values
	// Key is equal for equal drafts.
	Key string
}

// Change is the body of an update. An empty field is not requested; Start and End come together. Recreate is not empty
// if new rooms are requested.
type Change struct{ Start, End, Host, Reserve, Recreate string }

// Object is a minigroup as callers see it.
type Object struct {
	Status string
	Values
	// EventRoom and ConferenceRoom are empty unless the class has become ready.
	EventRoom, ConferenceRoom string
	Update                    Shown
}

// Shown is the update that an object shows, if it does: it is running or has failed.
type Shown struct {
	State     string
	Requested Change
}

func (v Values) String() string {
	return fmt.Sprintf("[%s, %s] %s, %s slots", v.Start, v.End, v.Host, v.Reserve)
}

func (c Change) String() string {
	text := ""
	if c.Start != "" {
		text += fmt.Sprintf(" time=[%s, %s]", c.Start, c.End)
	}
	for _, field := range [][2]string{{"host", c.Host}, {"reserve", c.Reserve}, {"recreate", c.Recreate}} {
		if field[1] != "" {
			text += " " + field[0] + "=" + field[1]
		}
	}
	return "{" + cmp.Or(text, " ")[1:] + "}"
}

func (s Shown) String() string {
	if s.State == "" {
		return "no update"
	}
	return "update " + s.State + " " + s.Requested.String()
}

func (o Object) String() string {
	text := fmt.Sprintf("%s %s", o.Status, o.Values)
	if o.EventRoom != "" {
		text += fmt.Sprintf(", rooms %.8s and %.8s", o.EventRoom, o.ConferenceRoom)
	}
	if o.Update.State != "" {
		text += ", " + o.Update.String()
	}
	return text
}

func (a Answer) String() string {
	switch {
	case a.Code == 0 && a.Problem == "":
		return "no answer"
	case a.Problem != "":
		return fmt.Sprintf("%d %s", a.Code, a.Problem)
	default:
		return fmt.Sprintf("%d %s", a.Code, a.Object)
	}
}

// requested describes the request.
func (o Operation) requested() string {
	text := string(o.Kind)
	switch o.Kind {
	case Create:
		text += " " + o.Draft.String()
	case Update:
		text += " " + o.Change.String()
	}
	if o.IfMatch != nil {
		text += " if it is " + o.IfMatch.String()
	}
	if o.Key != "" {
		text += " with key " + o.Key
	}
	return text
}

// isUnknown reports whether the operation may take effect at any time after its call.
func (o Operation) isUnknown() bool {
	switch o.Answer.Problem {
	case "service_unavailable", "service_misconfigured", "internal":
		return true
	}
	return o.Answer.Code == 0 && o.Answer.Problem == ""
}

// isSagaFailure reports whether the problem is the failure of the operation itself, which has begun.
func (a Answer) isSagaFailure() bool {
	switch a.Problem {
	case "upstream_refused", "upstream_unavailable", "capacity_exceeded", "operation_cancelled",
		"room_time_changing_forbidden":
		return true
	}
	return false
}
