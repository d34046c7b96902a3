package minigroup

import (
	"time"

	"github.com/google/uuid"
)

// CreateEntry is what a run brings along when it begins to create a minigroup.
type CreateEntry struct {
	Claim
	CreateRequest
	// EventAttempt, ConferenceAttempt and Reservation are fresh ids for what has to be written.
	EventAttempt      uuid.UUID
	ConferenceAttempt uuid.UUID
	Reservation       uuid.UUID
	// Flight is how long a request to create a room may be in flight.
	RequestTimeout time.Duration
	// Gateways says that slots are reserved with our own gateways, those of Group (empty: any).
	Gateways bool
	Group    string
}

// Reserves reports whether the create needs slots on a gateway of ours.
func (c CreateEntry) Reserves() bool { return c.Gateways && c.Slots() > 0 }

// AttemptEntry is what a run brings along to try once more to create a room.
type AttemptEntry struct {
	ID      uuid.UUID
	Run     string
	ClassID uuid.UUID
	Kind    RoomKind
	// Operation is what the room is for, and Fingerprint that of its draft, or the id of the update, in text.
	Operation   AttemptOperation
	Fingerprint string
	// NoNew says that no new attempt may be written: this process sends no more requests at present.
	NoNew          bool
	RequestTimeout time.Duration
}

// RecreateEntry is what a run brings along when it begins to recreate a class.
type RecreateEntry struct {
	UpdateEntry
	// EventAttempt and ConferenceAttempt are fresh ids for the attempts to be written.
	EventAttempt      uuid.UUID
	ConferenceAttempt uuid.UUID
	// Flight is how long a request to create a room may be in flight.
	RequestTimeout time.Duration
}

// UpdateEntry is what a run brings along when it begins an update.
type UpdateEntry struct {
	ID      uuid.UUID
	Run     string
	ClassID uuid.UUID
	Change  Change
	Plan    UpdatePlan
	// Reservation is a fresh id for slots that the class did not have.
	Reservation uuid.UUID
	// Gateways says that slots are reserved with our own gateways, those of Group (empty: any).
	Gateways bool
	Group    string
}
