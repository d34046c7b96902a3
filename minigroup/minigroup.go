package minigroup

import (
	"time"

	"github.com/google/uuid"
)

// Minigroup is a live class as it stands in the database.
type Minigroup struct {
	// Draft holds what was asked for, updates included.
	Draft
	ID uuid.UUID
	// Fingerprint is that of the draft the minigroup was created from; updates leave it alone.
	Fingerprint string
	State       State
	// Run is the run that took the minigroup last.
	Run       string
	CreatedAt time.Time
	// ClosedAt is when the class ended, whatever its window says; zero while it has not.
	ClosedAt time.Time
	// TimedOut says that it ended because its host did not come back.
	TimedOut bool
	// EventRoomID and ConferenceRoomID are set once the minigroup is ready.
	EventRoomID      uuid.UUID
	ConferenceRoomID uuid.UUID
	// Failure says why the minigroup failed, or why it is being undone.
	Failure *Failure
	// Update is the last update, unless it has succeeded.
	Update *Update
	// Revision counts the changes of all this but the update.
	Revision int64
}

// State is where the saga of a minigroup stands.
type State string

// The states of a minigroup: creating ─► ready, or creating ─► undoing ─► failed ─► creating …
const (
	Creating State = "creating"
	Ready    State = "ready"
	Undoing  State = "undoing"
	Failed   State = "failed"
)

// Status is what callers are told.
type Status string

// The statuses of a minigroup.
const (
	StatusCreating Status = "creating"
	StatusRealTime Status = "real-time"
	StatusClosed   Status = "closed"
	StatusFailed   Status = "failed"
)

// Status is what callers are told at the moment now (unix seconds). A minigroup that is being undone still
// reads as creating: it reads as failed only when nothing of it is left.
func (m Minigroup) Status(now int64) Status {
	switch {
	case m.State == Failed:
		return StatusFailed
	case m.State != Ready:
		return StatusCreating
	case !m.ClosedAt.IsZero() || m.Time.Ended(now):
		return StatusClosed
	default:
		return StatusRealTime
	}
}

// Update is an update that is under way or has failed.
type Update struct {
	ID        uuid.UUID
	State     UpdateState
	Requested Change
	// Failure says why the update failed; nil otherwise.
	Failure *Failure
}

// UpdateState is where an update stands.
type UpdateState string

// The states of an update: requested ─► running ─► done or failed.
const (
	UpdateRequested UpdateState = "requested"
	UpdateRunning   UpdateState = "running"
	UpdateDone      UpdateState = "done"
	UpdateFailed    UpdateState = "failed"
)
