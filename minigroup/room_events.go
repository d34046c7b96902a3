package minigroup

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Announcements are what event and conference have announced lately, in no order, some of it perhaps for the second time.
type RoomEvents struct {
	Created []AnnouncedRoom
	Closed  []ClosedRoom
}

// AnnouncedRoom is a room that a service has announced to have made. It may be anybody's.
type AnnouncedRoom struct {
	Kind RoomKind
	ID   uuid.UUID
	// ClassID is that of the class which the room was made for: ours only if the ledger knows it.
	ClassID  uuid.UUID
	Audience string
	// MadeAt is when it was made, by the clock of its service.
	MadeAt time.Time
}

// ClosedRoom is a conference room that conference has announced to be closed. It may be anybody's.
type ClosedRoom struct {
	ID       uuid.UUID
	ClassID  uuid.UUID
	Audience string
	// TimedOut says that conference closed it because its host did not come back.
	TimedOut bool
}

// Broadcast is what this service announces itself.
type OutboxEvent struct {
	Audience string
	// Label says what it is: minigroup.stop.
	Label string
	// Payload is a JSON object.
	Payload json.RawMessage
}
