package minigroup

import "github.com/google/uuid"

// OpenSaga is a saga that the ledger shows as under way. Whether its run still is, Temporal knows.
type OpenSaga struct {
	ClassID  uuid.UUID
	Audience string
	Scope    string
	Run      string
	// UpdateID and Change are those of an update; a create has uuid.Nil.
	UpdateID uuid.UUID
	Change   Change
}
