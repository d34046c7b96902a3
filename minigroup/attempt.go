package minigroup

import (
	"time"

	"github.com/google/uuid"
)

// AttemptOperation is the operation on a minigroup for which a room is created.
type AttemptOperation string

// The operations that create rooms. The swap of a recreate turns its attempts into attempts of ForCreate.
const (
	ForCreate   AttemptOperation = "create"
	ForRecreate AttemptOperation = "recreate"
)

// AttemptState is the state of an attempt to create a room.
type AttemptState string

// The states of an attempt:
//
//	sent ─► held ─► releasing ─► released     the room exists; it is closed when it is no longer wanted
//	sent ─► refused                           no room was created
//	sent ─► releasing                         marked for closing in flight; the answer brings the id of the room
//	sent, releasing ─► lost                   no answer by the deadline, or the connection ended; a late one: releasing
const (
	AttemptSent      AttemptState = "sent"
	AttemptHeld      AttemptState = "held"
	AttemptReleasing AttemptState = "releasing"
	AttemptReleased  AttemptState = "released"
	AttemptRefused   AttemptState = "refused"
	AttemptLost      AttemptState = "lost"
)

// Attempt is one request to create a room.
type Attempt struct {
	ID    uuid.UUID
	State AttemptState
	// RoomID is uuid.Nil until an answer has brought it.
	RoomID uuid.UUID
	// ExpiresIn is the time left until the deadline of a sent attempt.
	ExpiresIn time.Duration
}

// RoomPendingClose is a room that must be closed.
type RoomPendingClose struct {
	Kind    RoomKind
	ID      uuid.UUID
	ClassID uuid.UUID
	// AnsweredAt is when an answer or an event has brought the id.
	AnsweredAt time.Time
}
