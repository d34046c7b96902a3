package minigroup

import (
	"time"

	"github.com/google/uuid"
)

// FailedFilter says which failed minigroups are meant. What is empty makes no difference.
type FailedFilter struct {
	Audience string
	// Since and Before bound the moment at which they failed; Before itself is too late.
	Since, Before time.Time
	// Kind and Upstream are those of the failure.
	Kind     Kind
	Upstream string
}

// FailedMinigroup is a minigroup that could not be had.
type FailedMinigroup struct {
	ClassID  uuid.UUID
	Audience string
	Scope    string
	Failure  Failure
}

// WaitingSaga is a saga that is not decided.
type WaitingSaga struct {
	OpenSaga
	// State is that of the minigroup, or of the update where it is one.
	State string
	// Since is when that state began.
	Since time.Time
}

// Operation names what the saga does: create, undo, update, recreate, or compare with conference.
func (w WaitingSaga) Operation() string {
	switch {
	case w.UpdateID == uuid.Nil && w.State == string(Undoing):
		return "undo"
	case w.UpdateID == uuid.Nil:
		return "create"
	case w.Change.Recreate != nil:
		return "recreate"
	case w.Change.Empty():
		return "compare"
	default:
		return "update"
	}
}

// AttemptRecord is an attempt to create a room, as the ledger tells it.
type AttemptRecord struct {
	Attempt
	Kind      RoomKind
	Operation AttemptOperation
	Run       string
	SentAt    time.Time
	// ExpiresAt is until when the request may be in flight.
	ExpiresAt time.Time
	// Resolution is what became of a lost attempt; empty where that is open.
	Resolution string
}

// LostAttempt is an attempt that was never answered. Its room was made within the two moments, if it was.
type LostAttempt struct {
	Kind       RoomKind
	ClassID    uuid.UUID
	Audience   string
	Scope      string
	MadeAfter  time.Time
	MadeBefore time.Time
	// Resolution is closed or never seen; empty where it is open what became of the attempt.
	Resolution string
}

// ReservationRecord is a reservation as the ledger tells it.
type ReservationRecord struct {
	Reservation
	During Window
}

// RecordedUpdate is an update as the ledger tells it.
type RecordedUpdate struct {
	Update
	Run         string
	RequestedAt time.Time
	// DecidedAt is zero while the update is undecided.
	DecidedAt time.Time
}

// BackendLoad is a gateway and what is reserved on it.
type BackendLoad struct {
	Backend
	// Enabled says that it is configured.
	Enabled bool
	// Peak is the most slots that are reserved at one moment from now on, and Live the number of reservations that count.
	Peak int64
	Live int64
	// AwaySince is since when it has not answered, and DrainingSince since when it takes no classes; zero where it does.
	AwaySince     time.Time
	DrainingSince time.Time
}
