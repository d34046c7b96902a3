package rivals

import (
	"context"

	"minigroups/minigroup"
)

var direct = Rival{
	Name:        "direct",
	Description: "the handler writes the row, calls the three upstreams in parallel and updates the row",
	Weakness: "a crash, a lost reply or a hanging upstream leaves unknown open rooms and incomplete rows; no " +
		"retries, no undo",
	start: func(_ context.Context, m Dependencies) (Creator, error) { return directCreator{m}, nil },
}

type directCreator struct{ Dependencies }

// Create executes all steps.
func (c directCreator) Create(ctx context.Context, d minigroup.Draft) (CreatedRooms, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	if err := begin(ctx, c.Pool, d); err != nil {
		return CreatedRooms{}, err
	}
	rooms, err := c.Rooms.All(ctx, d)
	if err != nil {
		return CreatedRooms{}, err
	}
	return rooms, establish(ctx, c.Pool, d, rooms)
}

// Close does nothing.
func (directCreator) Close() {}
