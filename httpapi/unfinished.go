package httpapi

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// unfinishedAge is how old a count of unfinished sagas may be.
const unfinishedAge = time.Second

// unfinishedSagas bounds the unfinished sagas of each audience. A caller that does not wait for its saga has left when
// the next one arrives, so the limit of concurrent writes does not bound them. All audiences are counted at once, at
// most once a second, and only while writes arrive. The maximum may therefore be exceeded by what arrives within a
// second at all processes.
type unfinishedSagas struct {
	max int
	// read returns the number of unfinished sagas by audience.
	read    func(context.Context) (map[string]int, error)
	reading singleflight.Group

	mu     sync.Mutex
	counts map[string]int
	readAt time.Time
}

// isFull reports whether the audience has the maximum of unfinished sagas.
func (u *unfinishedSagas) isFull(ctx context.Context, audience string) (bool, error) {
	if u.max <= 0 {
		return false, nil
	}
	n, err := u.count(ctx, audience)
	if err != nil {
		return false, fmt.Errorf("count unfinished sagas: %w", err)
	}
	return n >= u.max, nil
}

// count returns the number of unfinished sagas of an audience, as it was at most unfinishedAge ago.
func (u *unfinishedSagas) count(ctx context.Context, audience string) (int, error) {
	u.mu.Lock()
	counts, fresh := u.counts, time.Since(u.readAt) < unfinishedAge
	u.mu.Unlock()
	if fresh {
		return counts[audience], nil
	}
	select {
	case r := <-u.reading.DoChan("", func() (any, error) { return nil, u.refresh(context.WithoutCancel(ctx)) }):
		if r.Err != nil {
			return 0, r.Err
		}
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.counts[audience], nil
}

// refresh counts again.
func (u *unfinishedSagas) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	readAt := time.Now()
	counts, err := u.read(ctx)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.counts, u.readAt = counts, readAt
	return nil
}
