package minigroup

import "github.com/google/uuid"

// OpenSaga is a saga that is undecided in the ledger. Only Temporal knows whether its run is still open.
type OpenSaga struct {
	ClassID  uuid.UUID
	Audience string
	Scope    string
	Run      string
	// UpdateID and Change are those of an update; a create has uuid.Nil.
	UpdateID uuid.UUID
	Change   Change
}
