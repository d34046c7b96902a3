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

// FailMode says what is done about a PATCH of an update that is to fail.
type FailMode int

const (
	// FailUnlessSent leaves the update running if conference may have executed a PATCH of it.
	FailUnlessSent FailMode = iota
	// FailRefused fails the update, because conference has certainly not executed its PATCH.
	FailRefused
	// FailUndecided fails the update although conference may have executed a PATCH of it. The conference room is looked
	// up when that PATCH cannot be in flight any more, so that minigroup and room become equal again.
	FailUndecided
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
	// MaybePatched says that conference may have executed a PATCH that it did not answer, or may execute it later.
	MaybePatched bool
	// Patches is the number of PATCHes that may have been sent.
	Patches int
}
