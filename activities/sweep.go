package activities

import (
	"context"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// SweepLedger finds what the ledger shows as under way and what it wants gone.
type SweepLedger interface {
	OpenSagas(ctx context.Context, quiet time.Duration, limit int) ([]minigroup.OpenSaga, error)
	StaleClosings(ctx context.Context, quiet time.Duration, limit int) ([]minigroup.RoomPendingClose, error)
	ExpireAttempts(ctx context.Context) (int64, error)
	MarkAnnouncedForClosing(ctx context.Context) (int64, error)
	ResolveUnseen(ctx context.Context, after time.Duration) (int64, error)
	EndClosed(ctx context.Context, limit int) (int, error)
	EndOverdue(ctx context.Context, grace time.Duration, limit int) (int, error)
	DueLookups(ctx context.Context, every time.Duration, limit int) ([]minigroup.Minigroup, error)
	RecordRoomEvents(ctx context.Context, a minigroup.RoomEvents) (ended int, err error)
	DueComparisons(ctx context.Context, limit int) ([]minigroup.OpenSaga, error)
	Purge(ctx context.Context, after time.Duration, limit int) (forgotten map[string]int64, err error)
	GatewayAnswers(ctx context.Context, backend string, answers bool) error
	Backends(ctx context.Context) ([]minigroup.Backend, error)
	GatewayRooms(ctx context.Context, backend string, quiet time.Duration) ([]minigroup.Reservation, error)
	Strays(ctx context.Context, rooms []uuid.UUID, quiet time.Duration) ([]uuid.UUID, error)
}

// Healer starts the runs that take the place of those that are gone.
type Recovery interface {
	// IsOpen reports whether the run of a saga is open.
	IsOpen(ctx context.Context, saga minigroup.OpenSaga) (bool, error)
	// Heal starts the run that undoes a create, or finishes an update, whose run is gone. It reports false where another
	// run of the minigroup is open.
	Recover(ctx context.Context, saga minigroup.OpenSaga) (bool, error)
}

// GatewayRooms lists the rooms of a gateway whose description begins with prefix.
type GatewayRooms interface {
	Rooms(ctx context.Context, b minigroup.Backend, prefix string) ([]minigroup.GatewayRoom, error)
}

// Sweeper heals what processes and runs that are gone have left behind. All fields must be set.
type Sweeper struct {
	Ledger   SweepLedger
	Recovery Recovery
	Rooms    GatewayRooms
	// Steps do to a single room what the sagas do.
	Steps *Activities
	// Grace is how long a class may run over its end before it is ended.
	Grace time.Duration
	// NeverSeen is how long after its moment the room of a lost attempt may still be announced; 0 where nobody listens.
	NeverSeen time.Duration
	// History is how long what is over is kept; 0 keeps it for ever.
	Retention time.Duration
	// Count adds to a metric of what sweeps have done, for as long as the process lives.
	Count func(what string, n int)
}

const (
	// quiet is how long a run may leave something alone before the sweeper looks at it.
	minAge = 10 * time.Second
	// batch is how much one sweep looks at; the next picks others.
	batchSize = 1000
)
