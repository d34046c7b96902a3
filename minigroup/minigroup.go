package minigroup

import (
	"time"

	"github.com/google/uuid"
)

// Minigroup is a live class as its row in the database has it.
type Minigroup struct {
	// Draft is what was requested, including the updates since.
	Draft
	ID uuid.UUID
	// Fingerprint is that of the request that created the minigroup. Updates do not change it.
	Fingerprint string
	State       State
	// Run is the workflow run that owns the row.
	Run       string
	CreatedAt time.Time
	// ClosedAt is when the class was closed, independently of its window; zero while it is open.
	ClosedAt time.Time
	// TimedOut says that conference closed it because its host did not come back.
	TimedOut bool
	// EventRoomID and ConferenceRoomID are set once the minigroup is ready.
	EventRoomID      uuid.UUID
	ConferenceRoomID uuid.UUID
	// Failure says why the minigroup failed, or why it is being undone.
	Failure *Failure
	// Update is the last update that callers see; nil once it has succeeded.
	Update *Update
	// ErasedAt is when the personal data of the class was erased; zero if it was not.
	ErasedAt time.Time
	// Revision counts the changes of all fields except the update and the run.
	Revision int64
}

// Key is what a minigroup is found by: its id, or, without an id, its audience and scope.
type Key struct {
	ID              uuid.UUID
	Audience, Scope string
}

// ByID is the key of the minigroup with this id.
func ByID(id uuid.UUID) Key { return Key{ID: id} }

// ByScope is the key of the minigroup of this audience and scope.
func ByScope(audience, scope string) Key { return Key{Audience: audience, Scope: scope} }

// State is the state of the create saga.
type State string

// The states of a minigroup: creating ─► ready, or creating ─► undoing ─► failed ─► creating …
const (
	Creating State = "creating"
	Ready    State = "ready"
	Undoing  State = "undoing"
	Failed   State = "failed"
)

// Status is the status that callers see.
type Status string

// The statuses of a minigroup.
const (
	StatusCreating Status = "creating"
	StatusRealTime Status = "real-time"
	StatusClosed   Status = "closed"
	StatusFailed   Status = "failed"
)

// RequireReady returns nil if the minigroup is ready, and an error of kind NotReady otherwise. The error has a
// RetryAfter while the minigroup is being created; now is in unix seconds.
func (m Minigroup) RequireReady(now int64) error {
	if m.State == Ready {
		return nil
	}
	err := Errorf(NotReady, "the minigroup is %s", m.Status(now))
	if m.State != Failed {
		err.RetryAfter = 2 * time.Second
	}
	return err
}

// Status returns the status at now (unix seconds). A minigroup is shown as creating while it is being undone, and as
// failed only when everything is undone.
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
