package activities

import (
	"context"
	"time"

	"minigroups/minigroup"
)

// Recovery starts the runs that replace runs which are gone.
type Recovery interface {
	// IsOpen reports whether the run of a saga is open.
	IsOpen(ctx context.Context, saga minigroup.OpenSaga) (bool, error)
	// Recover starts the run that undoes a create, or finishes an update, whose run is gone. It returns false if another
	// run of the minigroup is open.
	Recover(ctx context.Context, saga minigroup.OpenSaga) (bool, error)
}

// GatewayRooms lists the rooms of a gateway whose description begins with prefix.
type GatewayRooms interface {
	Rooms(ctx context.Context, b minigroup.Backend, prefix string) ([]minigroup.GatewayRoom, error)
}

// SweepLedger is all that sweeps read and write of the ledger.
type SweepLedger interface {
	ClassesLedger
	GatewaysLedger
}

// Sweeper repairs what processes and runs that are gone have left behind. All fields must be set.
type Sweeper struct {
	Ledger   SweepLedger
	Recovery Recovery
	Rooms    GatewayRooms
	// Steps do to a single room what the sagas do.
	Steps *Activities
	// Grace is how long after its end a class is closed.
	Grace time.Duration
	// LostRoomTimeout is how long after its deadline the room of a lost attempt may still be announced; 0: no broker.
	LostRoomTimeout time.Duration
	// Retention is how long finished records are kept; 0 keeps them permanently.
	Retention time.Duration
	// Count adds n to the metric of what sweeps have done.
	Count func(what string, n int)
}

const (
	// minAge is how long a record must have been unchanged before a sweep acts on it: its run may still be at work.
	minAge = 10 * time.Second
	// batchSize bounds what one sweep looks at. The next sweep picks others.
	batchSize = 1000
)
