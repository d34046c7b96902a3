package minigroup

import (
	"time"

	"github.com/google/uuid"
)

// FailedFilter selects failed minigroups. A zero field selects all.
type FailedFilter struct {
	Audience string
	// Since and Before select minigroups that failed at Since or later, and before Before.
	Since, Before time.Time
	// Kind and Upstream are the kind of the failure and the service that caused it.
	Kind     Kind
	Upstream string
}

// FailedMinigroup is a minigroup whose create failed and was undone.
type FailedMinigroup struct {
	ClassID  uuid.UUID
	Audience string
	Scope    string
	Failure  Failure
}

// WaitingSaga is an undecided saga.
type WaitingSaga struct {
	OpenSaga
	// State is the state of the update, or of the minigroup if the saga is a create.
	State string
	// Since is when that state began, or when the update was requested.
	Since time.Time
}

// Operation names what the saga does: create, undo, update, recreate or repair.
func (w WaitingSaga) Operation() string {
	switch {
	case w.UpdateID == uuid.Nil && w.State == string(Undoing):
		return "undo"
	case w.UpdateID == uuid.Nil:
		return "create"
	case w.Change.Recreate != nil:
		return "recreate"
	case w.Change.Repair:
		return "repair"
	default:
		return "update"
	}
}

// AttemptRecord is an attempt to create a room as operators see it.
type AttemptRecord struct {
	Attempt
	Kind      RoomKind
	Operation AttemptOperation
	Run       string
	SentAt    time.Time
	// ExpiresAt is the deadline of the request.
	ExpiresAt time.Time
	// Resolution says how a lost attempt was resolved: closed or never_seen. It is empty for all others.
	Resolution string
}

// LostAttempt is an attempt whose deadline has passed without an answer.
type LostAttempt struct {
	Kind     RoomKind
	ClassID  uuid.UUID
	Audience string
	Scope    string
	// CreatedAfter and CreatedBefore bound the time at which the room was created, if it was.
	CreatedAfter  time.Time
	CreatedBefore time.Time
	// Resolution is closed, never_seen, or empty if the attempt is not resolved.
	Resolution string
}

// ReservationRecord is a reservation as operators see it.
type ReservationRecord struct {
	Reservation
	During    Window
	CreatedAt time.Time
}

// UpdateSummary is an update as operators see it.
type UpdateSummary struct {
	Update
	Run         string
	RequestedAt time.Time
	// DecidedAt is zero while the update is undecided.
	DecidedAt time.Time
}

// BackendLoad is a gateway and the slots reserved on it.
type BackendLoad struct {
	Backend
	// Enabled says that the gateway is configured.
	Enabled bool
	// Peak is the maximum number of slots that are reserved at the same time, now or later. Live is the number of
	// reservations that are not released.
	Peak int64
	Live int64
	// AwaySince is since when the gateway does not answer, or answers wrongly; zero if it answers well. State says which
	// of these.
	AwaySince time.Time
	State     GatewayState
	// DrainingSince is since when the gateway gets no new classes; zero if it does.
	DrainingSince time.Time
}

// PendingRelease is a room that must be closed, or a reservation whose slots are to be released.
type PendingRelease struct {
	// Service is event, conference or janus, and Gateway that of a reservation.
	Service string
	Gateway string
	// ID is that of the room or of the reservation.
	ID       uuid.UUID
	ClassID  uuid.UUID
	Audience string
	Scope    string
	// Since is when it was marked for closing or for releasing.
	Since time.Time
}
