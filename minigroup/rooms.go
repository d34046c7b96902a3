package minigroup

import (
	"encoding/json"

	"github.com/google/uuid"
)

// RoomKind is the kind of a room: the service that has it.
type RoomKind string

// The kinds of rooms.
const (
	EventRoom      RoomKind = "event"
	ConferenceRoom RoomKind = "conference"
)

// NewEventRoom is a request to event: a room that opens at Start and has no end.
type NewEventRoom struct {
	Audience string
	ClassID  uuid.UUID
	Start    int64 // unix seconds
	Tags     json.RawMessage
}

// Locks is what is locked in an event room, so that pupils cannot write there.
type Locks struct {
	// Chat is for messages and the reactions to them, Questions for questions and the reactions to them.
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

// NewConferenceRoom is a request to conference: a room that opens at Start and has no end. A room with an end could
// neither be moved nor closed before it opens.
type NewConferenceRoom struct {
	Audience string
	ClassID  uuid.UUID
	Start    int64 // unix seconds
	Tags     json.RawMessage
	// Reserve is nil if conference does not keep the number of slots.
	Reserve *int32
}

// ConferenceRoomState is a conference room as conference shows it.
type ConferenceRoomState struct {
	ID      uuid.UUID
	ClassID uuid.UUID
	Time    Window
	Reserve *int32
	// Host is an agent id; empty if none is set.
	Host string
	// TimedOut says that conference closed the room because its host did not come back.
	TimedOut bool
}

// EventRoomState is an event room as event shows it.
type EventRoomState struct {
	ID      uuid.UUID
	ClassID uuid.UUID
	Time    Window
	// Locks says which types of messages are all locked.
	Locks Locks
}

// ConferencePatch is a request to change a conference room. A nil field stays as it is.
type ConferencePatch struct {
	Time    *Window
	Reserve *int32
	Host    *string
}

// Empty reports whether the patch changes nothing.
func (p ConferencePatch) Empty() bool { return p.Time == nil && p.Reserve == nil && p.Host == nil }
