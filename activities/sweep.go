package activities

import (
	"context"
	"time"

	"minigroups/minigroup"
)

// Recovery starts runs in place of runs that are gone.
type Recovery interface {
	// IsOpen reports whether the run of a saga is open.
	IsOpen(ctx context.Context, saga minigroup.OpenSaga) (bool, error)
	// Recover starts the run that undoes a create, or finishes an update, whose run is gone or was never started. It
	// returns false if another run of the minigroup is open.
	Recover(ctx context.Context, saga minigroup.OpenSaga) (bool, error)
}

// GatewayRooms lists the rooms of a gateway whose description begins with prefix.
type GatewayRooms interface {
	Rooms(ctx context.Context, b minigroup.Backend, prefix string) ([]minigroup.GatewayRoom, error)
}

// SweepLedger is what sweeps use of the ledger; storage.Store documents its methods.
type SweepLedger interface {
	ClassesLedger
	GatewaysLedger
}

// Sweeper completes what runs and processes that are gone have left unfinished. All fields must be set.
type Sweeper struct {
	Ledger   SweepLedger
	Recovery Recovery
	Rooms    GatewayRooms
	// Steps are the steps of the sagas, which sweeps use for single rooms.
	Steps *Activities
	// Grace is how long after its end a class is closed.
	Grace time.Duration
	// LostRoomTimeout is how long after its deadline the room of a lost attempt may still be announced; 0: no broker.
	LostRoomTimeout time.Duration
	// Retention is how long finished records are kept; 0 keeps them permanently.
	Retention time.Duration
	// Budget bounds how long one part of a sweep sends requests to Temporal or to the gateways. Later sweeps handle what
	// is left.
	Budget time.Duration
	// Count adds n to the metric minigroups_swept_total with the label what.
	Count func(what string, n int)
}

const (
	// minAge is how long a record must be unchanged before a sweep acts on it. Before that, its run may still change it.
	minAge = 10 * time.Second
	// batchSize bounds the records of each kind that one sweep handles. Later sweeps handle the rest.
	batchSize = 1000
	// sweepAtOnce bounds the requests to Temporal that one part of a sweep has in flight.
	sweepAtOnce = 8
)

// SweepBudget is the Budget of sweeps. It is shorter than the timeout of their activities.
const SweepBudget = 40 * time.Second
