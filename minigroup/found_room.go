package minigroup

import "github.com/google/uuid"

// FoundRoom is a room of a class that exists although the ledger does not know it, because it was set back to an
// earlier state.
type FoundRoom struct {
	ID      uuid.UUID
	ClassID uuid.UUID
	Kind    RoomKind
	// Operation, Fingerprint and Run are those of the attempt that created it.
	Operation   AttemptOperation
	Fingerprint string
	Run         string
	// Keep says that the class is to have the room. Otherwise it is closed.
	Keep bool
}
