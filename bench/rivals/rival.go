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
	// Does says how, and Weakness what it lacks, both in a line.
	Does, Weakness string
	// Temporal says that it needs a Temporal server.
	Temporal bool

	start func(ctx context.Context, m Means) (Creator, error)
}

// Creator carries out the five steps and returns when the minigroup is there.
type Creator interface {
	Create(ctx context.Context, d minigroup.Draft) (Made, error)
	// Close ends what was started with it.
	Close()
}

// Made are the rooms of a minigroup.
type Made struct {
	EventRoom, ConferenceRoom uuid.UUID
}

// Means are what a rival works with.
type Means struct {
	Pool     *pgxpool.Pool
	Rooms    *Rooms
	Temporal string // address of a server's frontend
}

// All lists the rivals.
func All() []Rival { return []Rival{direct, river, dbosRival, plain, empty} }

// Find returns the rival of a name.
func Find(name string) (Rival, bool) {
	i := slices.IndexFunc(All(), func(r Rival) bool { return r.Name == name })
	if i < 0 {
		return Rival{}, false
	}
	return All()[i], true
}

// Start makes the tables and starts what the rival needs in this process.
func (r Rival) Start(ctx context.Context, m Means) (Creator, error) {
	if err := makeTable(ctx, m.Pool); err != nil {
		return nil, err
	}
	return r.start(ctx, m)
}

// stepLimit bounds one try of a step.
const stepLimit = 10 * time.Second
