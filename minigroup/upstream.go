package minigroup

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// RoomKind says in whose service a room lives.
type RoomKind string

// The kinds of rooms.
const (
	EventRoom      RoomKind = "event"
	ConferenceRoom RoomKind = "conference"
)

// NewEventRoom is what event is asked to create: a room open from Start on, without end.
type NewEventRoom struct {
	Audience string
	ClassID  uuid.UUID
	Start    int64 // unix seconds
	Tags     json.RawMessage
}

// Locks is what is locked in an event room: pupils may not write then.
type Locks struct {
	// Chat is messages and reactions to them, Questions is questions and reactions to those.
	Chat      bool
	Questions bool
}

// Any reports whether anything is locked.
func (l Locks) Any() bool { return l.Chat || l.Questions }

// String names what is locked.
func (l Locks) String() string {
	switch l {
	case Locks{Chat: true, Questions: true}:
		return "the chat and the questions"
	case Locks{Chat: true}:
		return "the chat"
	case Locks{Questions: true}:
		return "the questions"
	default:
		return "nothing"
	}
}

// NewConferenceRoom is what conference is asked to create: a room open from Start on, without end.
// It stays unbounded because a bounded room that has not opened can neither be moved nor closed.
type NewConferenceRoom struct {
	Audience string
	ClassID  uuid.UUID
	Start    int64 // unix seconds
	Tags     json.RawMessage
	// Reserve is nil where conference does not own the slots.
	Reserve *int32
}

// ConferenceRoomState is a conference room as conference shows it.
type ConferenceRoomState struct {
	ID      uuid.UUID
	Time    Window
	Reserve *int32
	// Host is an agent id, empty where none is set.
	Host string
	// TimedOut says that conference has closed the room because its host did not come back.
	TimedOut bool
}

// ConferencePatch is what conference is asked to change; what is nil stays as it is.
type ConferencePatch struct {
	Time    *Window
	Reserve *int32
	Host    *string
}

// Empty reports whether there is nothing to ask conference for.
func (p ConferencePatch) Empty() bool { return p.Time == nil && p.Reserve == nil && p.Host == nil }

// Backend is a Janus gateway on which slots can be reserved.
type Backend struct {
	ID       string
	AdminURL string
	JanusURL string
	Group    string
	// Capacity is the number of slots of the gateway and BalancerCapacity the number up to which
	// classes are placed there; nil is unlimited, and where both are given BalancerCapacity counts.
	Capacity         *int32
	BalancerCapacity *int32
}

// UpstreamError is how a call to another service ended when it did not end well. Clients return no other error.
type UpstreamError struct {
	// Upstream is event, conference or janus; Doing is what was being done ("create event room").
	Upstream string
	Doing    string
	// Status is the HTTP status of the reply, 0 where there was none. Type is the service's own word, empty where it gave none.
	Status int
	Type   string
	Detail string
	// Refused means that asking again for the same gives the same answer. Everything else is worth another try.
	Refused bool
	// MaybeDone means that the request may have taken effect all the same, or may yet do so.
	MaybeDone bool
	// RetryAfter is how long the service asked to wait; 0 where it did not say.
	RetryAfter time.Duration
	// Waited is how long an answer was waited for, where that was ended by a limit of ours; 0 otherwise.
	Waited time.Duration
	Err    error
}

// Error is the error in words for those who look after the service: what the other service did, and the cause, which may
// name hosts.
func (e *UpstreamError) Error() string {
	text := e.Doing + ": " + e.Upstream
	switch {
	case e.Waited != 0:
		return text + " gave no answer within " + e.Waited.String()
	case e.Refused:
		text = e.Public()
	case e.Status != 0:
		text += fmt.Sprintf(" answered %d", e.Status)
		if e.Type != "" {
			text += " " + e.Type
		}
		if e.Detail != "" {
			text += ": " + e.Detail
		}
	case e.Err != nil:
		text += " gave no answer"
	case e.Detail != "":
		text += ": " + e.Detail
	default:
		return e.Public()
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Public is the error in words that may be shown to callers: without its cause, which may name hosts.
func (e *UpstreamError) Public() string {
	text := e.Doing + ": " + e.Upstream
	if e.Refused {
		text += " refused"
	} else {
		text += " is not available"
	}
	if e.Type != "" {
		text += ": " + e.Type
	}
	if e.Status != 0 {
		text += fmt.Sprintf(" (%d)", e.Status)
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

func (e *UpstreamError) Unwrap() error { return e.Err }
