package rivals

import (
	"context"

	"minigroups/minigroup"
)

var direct = Rival{
	Name: "direct",
	Does: "the handler writes the row, calls the three upstreams at the same time and writes the row again",
	Weakness: "nothing survives a crash, a lost reply or a hanging upstream: rooms stay open that nobody knows, rows stay half made; " +
		"no retries, nothing is undone",
	start: func(_ context.Context, m Means) (Creator, error) { return directly{m}, nil },
}

type directly struct{ Means }

// Create does it all in the call.
func (c directly) Create(ctx context.Context, d minigroup.Draft) (Made, error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	if err := begin(ctx, c.Pool, d); err != nil {
		return Made{}, err
	}
	made, err := c.Rooms.All(ctx, d)
	if err != nil {
		return Made{}, err
	}
	return made, establish(ctx, c.Pool, d, made)
}

// Close has nothing to end.
func (directly) Close() {}
