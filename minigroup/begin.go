package minigroup

import (
	"time"

	"github.com/google/uuid"
)

// CreateEntry is what a run writes to the ledger when it begins a create.
type CreateEntry struct {
	Claim
	CreateRequest
	// EventAttempt, ConferenceAttempt and Reservation are new ids for the attempts and the reservation. uuid.Nil writes no
	// attempt.
	EventAttempt      uuid.UUID
	ConferenceAttempt uuid.UUID
	Reservation       uuid.UUID
	// RequestTimeout is how long a request that creates a room may be in flight.
	RequestTimeout time.Duration
	// Gateways says that slots are reserved on our own gateways, those of Group (empty: any).
	Gateways bool
	Group    string
}

// Reserves reports whether the create needs slots on one of our gateways.
func (c CreateEntry) Reserves() bool { return c.Gateways && c.Slots() > 0 }

// RunningCreate is a create that a run carries out. A write that gives it the last thing that it needs establishes the
// minigroup, too. The zero value is no create.
type RunningCreate struct {
	ClassID uuid.UUID
	Run     string
	// Gateways says that it needs slots on our own gateways, if it requests some.
	Gateways bool
}

// BegunCreate is what the ledger says when a run begins a create.
type BegunCreate struct {
	// State is Creating if the run continues, and Ready if the minigroup exists already. It is Undoing or Failed if this
	// run has begun the undo before.
	State   State
	Failure *Failure
	// EventAttempt and ConferenceAttempt are attempts that were written for this run and are not sent yet; uuid.Nil if
	// none was, because none was to be, the room is held or a request is in flight.
	EventAttempt      uuid.UUID
	ConferenceAttempt uuid.UUID
	// Reservation is uuid.Nil if no slots are reserved on a gateway.
	Reservation uuid.UUID
	// PendingClose lists the rooms of the class that must be closed, such as those of an earlier draft.
	PendingClose []RoomPendingClose
}

// BegunUndo is what the ledger says when a run begins an undo.
type BegunUndo struct {
	// State is Undoing if there may be something to undo, Ready if the minigroup is established and nothing is undone, and
	// Failed if everything is undone already. It is empty if there is no row and the caller gave no request to write one.
	State        State
	Rooms        []RoomPendingClose
	Reservations []uuid.UUID
	Failure      *Failure
}

// AttemptEntry is what a run writes to the ledger before it requests another room, unless a room is held or a request
// is in flight.
type AttemptEntry struct {
	ID      uuid.UUID
	Run     string
	ClassID uuid.UUID
	Kind    RoomKind
	// Operation is what the room is for. Fingerprint is that of the create request, or the id of the update that recreates
	// the class, in text.
	Operation   AttemptOperation
	Fingerprint string
	// NoNew says that no new attempt may be written, because this process may send no more requests at present.
	NoNew bool
	// RequestTimeout is how long the request may be in flight.
	RequestTimeout time.Duration
}

// UpdateEntry is what a run writes to the ledger when it begins an update.
type UpdateEntry struct {
	Claim
	ID      uuid.UUID
	ClassID uuid.UUID
	Change  Change
	Plan    UpdatePlan
	// Reservation is a new id for a reservation, if the class has none.
	Reservation uuid.UUID
	// Gateways says that slots are reserved on our own gateways, those of Group (empty: any).
	Gateways bool
	Group    string
}

// RecreateEntry is what a run writes to the ledger when it begins to recreate a class.
type RecreateEntry struct {
	UpdateEntry
	// EventAttempt and ConferenceAttempt are new ids for the attempts. uuid.Nil writes none.
	EventAttempt      uuid.UUID
	ConferenceAttempt uuid.UUID
	// RequestTimeout is how long a request that creates a room may be in flight.
	RequestTimeout time.Duration
}

// BegunUpdate is what the ledger says when a run takes the row for an update.
type BegunUpdate struct {
	// State is UpdateRequested if the update has not begun yet, and UpdateRunning if it has. It is UpdateDone or
	// UpdateFailed if the update was decided before.
	State   UpdateState
	Failure *Failure
	// Unfinished is another update of the minigroup that has begun and must be decided first; uuid.Nil if there is none.
	Unfinished uuid.UUID
	// UnfinishedRecreate says that Unfinished is a recreate. Another run may fail it, because its commit point is in the
	// ledger and not in conference.
	UnfinishedRecreate bool
	// Minigroup is what the update starts from; it is zero if the update was decided before.
	Minigroup Minigroup
}
