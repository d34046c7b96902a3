package minigroup

import (
	"time"

	"github.com/google/uuid"
)

// Update is an update that is undecided or has failed.
type Update struct {
	ID        uuid.UUID
	State     UpdateState
	Requested Change
	// Failure says why the update failed; nil otherwise.
	Failure *Failure
}

// UpdateState is the state of an update.
type UpdateState string

// The states of an update: requested ─► running ─► done or failed.
const (
	UpdateRequested UpdateState = "requested"
	UpdateRunning   UpdateState = "running"
	UpdateDone      UpdateState = "done"
	UpdateFailed    UpdateState = "failed"
)

// UpdateRecord is an update in the ledger, with its plan and its PATCHes.
type UpdateRecord struct {
	Update
	ClassID uuid.UUID
	// Run is the run that carries out the update.
	Run  string
	Plan UpdatePlan
	// ConferenceRoomID is the room that Plan.Patch changes.
	ConferenceRoomID uuid.UUID
	// PatchOpen says that a PATCH was sent whose outcome is unknown. PatchLeft is how long it may still be in flight.
	PatchOpen bool
	PatchLeft time.Duration
	// Patches is the number of PATCHes that may have been sent.
	Patches int
}
