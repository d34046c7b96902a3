package minigroup

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// RoomEvents are events that event and conference have published, in any order. An event may be delivered more than
// once.
type RoomEvents struct {
	Created []AnnouncedRoom
	Closed  []ClosedRoom
}

// AnnouncedRoom is a room whose creation its service has published. It may belong to another product.
type AnnouncedRoom struct {
	Kind RoomKind
	ID   uuid.UUID
	// ClassID is the class that the room was created for. It is one of ours only if the ledger has it.
	ClassID  uuid.UUID
	Audience string
	// CreatedAt is when the room was created, by the clock of its service.
	CreatedAt time.Time
}

// ClosedRoom is a conference room whose closing conference has published. It may belong to another product.
type ClosedRoom struct {
	ID       uuid.UUID
	ClassID  uuid.UUID
	Audience string
	// TimedOut says that conference closed it because its host did not come back.
	TimedOut bool
}

// OutboxEvent is an event that this service publishes.
type OutboxEvent struct {
	// ID is the number of the event in the outbox.
	ID       int64
	Audience string
	// Label is the name of the event: minigroup.stop.
	Label string
	// Payload is a JSON object.
	Payload json.RawMessage
}

// WaitingEvent is an event of the outbox that the broker has not acknowledged.
type WaitingEvent struct {
	OutboxEvent
	WrittenAt time.Time
}

// OutboxOutcome says what became of events that were to be published, by their ids. Refused events may be accepted
// later; Unpublished ones were not sent, or their fate is unknown.
type OutboxOutcome struct {
	Published, Refused, Unpublished []int64
}
