package rivals

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"minigroups/minigroup"
)

// Rival is one way to create minigroups.
type Rival struct {
	Name string
	// Description says how it works, and Weakness what it lacks, each in one line.
	Description, Weakness string
	// Temporal says that it needs a Temporal server.
	Temporal bool

	start func(ctx context.Context, m Dependencies) (Creator, error)
}

// Creator creates minigroups.
type Creator interface {
	// Create executes the five steps and returns when the minigroup is ready.
	Create(ctx context.Context, d minigroup.Draft) (CreatedRooms, error)
	// Close stops what Start has started.
	Close()
}

// CreatedRooms has the ids of the rooms of a minigroup.
type CreatedRooms struct {
	EventRoom, ConferenceRoom uuid.UUID
}

// Dependencies are what a rival uses.
type Dependencies struct {
	Pool     *pgxpool.Pool
	Rooms    *Rooms
	Temporal string // address of a server's frontend
}

// All returns all rivals.
func All() []Rival { return []Rival{direct, river, dbosRival, plain, noOpTwin} }

// Find returns the rival with a name.
func Find(name string) (Rival, bool) {
	i := slices.IndexFunc(All(), func(r Rival) bool { return r.Name == name })
	if i < 0 {
		return Rival{}, false
	}
	return All()[i], true
}

// Start creates the table and starts what the rival needs in this process.
func (r Rival) Start(ctx context.Context, m Dependencies) (Creator, error) {
	if err := createTable(ctx, m.Pool); err != nil {
		return nil, err
	}
	return r.start(ctx, m)
}

// stepTimeout bounds one attempt of a step.
const stepTimeout = 10 * time.Second
