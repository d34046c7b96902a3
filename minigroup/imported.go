package minigroup

import (
	"time"

	"github.com/google/uuid"
)

// ImportOwner owns the row of a minigroup that was imported until a run takes it.
const ImportOwner = "import"

// ImportedClass is a class that dispatcher has created, with its rooms.
type ImportedClass struct {
	Draft
	ID                            uuid.UUID
	EventRoomID, ConferenceRoomID uuid.UUID
	CreatedAt                     time.Time
	// ClosedAt is when the class ended; zero if it has not.
	ClosedAt time.Time
	TimedOut bool
	// Source is a hash of the row that it was made from.
	Source string
}

// ImportOutcome is what became of the import of a class.
type ImportOutcome string

// The outcomes of an import.
const (
	ImportCreated   ImportOutcome = "imported"
	ImportUpdated   ImportOutcome = "updated"
	ImportUnchanged ImportOutcome = "unchanged"
	ImportSkipped   ImportOutcome = "skipped"
	ImportExported  ImportOutcome = "exported"
)

// ImportReason says why a class was not imported.
type ImportReason string

// The reasons that only the ledger knows.
const (
	// ImportScopeTaken says that another minigroup has the scope.
	ImportScopeTaken ImportReason = "scope_taken"
	// ImportRoomTaken says that another minigroup has a room of the class.
	ImportRoomTaken ImportReason = "room_taken"
	// ImportChangedHere says that the class has changed in dispatcher and here since it was imported or exported, or that
	// it was created here.
	ImportChangedHere ImportReason = "changed_here"
	// ImportCapacity says that its slots fit on no gateway.
	ImportCapacity ImportReason = "capacity_exceeded"
)

// ImportResult is the outcome of one class, and why it was skipped.
type ImportResult struct {
	Outcome ImportOutcome
	Reason  ImportReason
	Detail  string
}

// ImportOptions say how classes are imported.
type ImportOptions struct {
	// By is the operator.
	By Requester
	// DryRun tries everything and changes nothing.
	DryRun bool
	// Gateways says that slots are reserved on our own gateways, those of Group (empty: any).
	Gateways bool
	Group    string
}

// ImportChangedThere says that a minigroup has changed here and in dispatcher since it was imported or exported.
const ImportChangedThere ImportReason = "changed_in_dispatcher"

// ImportNotReady says that the create of a minigroup has failed, or is not finished.
const ImportNotReady ImportReason = "not_ready"

// ExportedClass is a minigroup that dispatcher does not have as it is here.
type ExportedClass struct {
	Minigroup
	// Source is the hash of dispatcher's row when the minigroup was imported or exported last; empty if it never was.
	Source string
}
