package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

// settleTimeout bounds the wait until nothing of the cluster is in progress.
const settleTimeout = 4 * time.Minute

// settle waits until no class and no room of the cluster is in progress. It returns how many still are after the
// timeout. A room that an attempt has is done, although its event may be in the ledger until the next sweep.
func (c *cluster) settle(ctx context.Context) (left int, err error) {
	return c.awaitNone(ctx, `
		SELECT (SELECT count(*) FROM minigroup WHERE state IN ('creating', 'undoing'))
			+ (SELECT count(*) FROM room_attempt WHERE state IN ('sent', 'releasing'))
			+ (SELECT count(*) FROM announced_room r WHERE state = 'releasing'
				OR state = 'announced' AND NOT EXISTS (SELECT FROM room_attempt a WHERE a.room_id = r.room_id))`)
}

// finished waits until no class that was created before a time is in progress.
func (c *cluster) finished(ctx context.Context, before time.Time) error {
	_, err := c.awaitNone(ctx, `
		SELECT count(*) FROM minigroup WHERE state IN ('creating', 'undoing') AND created_at < $1`, before)
	return err
}

// awaitNone repeats a query until it counts 0, at most until the timeout, and returns the last count.
func (c *cluster) awaitNone(ctx context.Context, query string, args ...any) (left int, err error) {
	for deadline := time.Now().Add(settleTimeout); ; {
		err = c.db.QueryRow(ctx, query, args...).Scan(&left)
		if err != nil || left == 0 || time.Now().After(deadline) {
			return left, err
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return left, err
		}
	}
}

// remains is what a load leaves behind.
type remains struct {
	// ready and failed count classes, and lost the attempts that nothing has answered.
	ready, failed, lost int
	// orphans are open rooms that no class holds, at event and conference. refused counts the requests that conference
	// refused because it had no database connection.
	orphans, refused int
}

func (r remains) since(before remains) remains {
	return remains{
		ready: r.ready - before.ready, failed: r.failed - before.failed, lost: r.lost - before.lost,
		orphans: r.orphans - before.orphans, refused: r.refused - before.refused,
	}
}

// remains counts what is there now. Nothing must be in progress.
func (c *cluster) remains(ctx context.Context) (r remains, err error) {
	err = c.db.QueryRow(ctx, `
		SELECT (SELECT count(*) FROM minigroup WHERE state = 'ready'),
			(SELECT count(*) FROM minigroup WHERE state = 'failed'),
			(SELECT count(*) FROM room_attempt WHERE state = 'lost')`).Scan(&r.ready, &r.failed, &r.lost)
	if err != nil {
		return r, err
	}
	rows, err := c.db.Query(ctx, `
		SELECT event_room_id FROM minigroup WHERE state = 'ready'
		UNION ALL SELECT conference_room_id FROM minigroup WHERE state = 'ready'`)
	if err != nil {
		return r, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return r, err
	}
	held := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		held[id] = true
	}
	events, err := sandboxclient.Rooms(ctx, c.event)
	conferences, conferenceErr := sandboxclient.Rooms(ctx, c.conference)
	pool, poolErr := sandboxclient.Pool(ctx, c.conference)
	r.orphans, r.refused = orphansAmong(events, held)+orphansAmong(conferences, held), pool.TimedOut
	return r, errors.Join(err, conferenceErr, poolErr)
}

// orphansAmong counts the open rooms that are not held.
func orphansAmong(rooms []sandbox.Room, held map[uuid.UUID]bool) (n int) {
	for _, room := range rooms {
		if room.Open && !held[room.ID] {
			n++
		}
	}
	return n
}

// settled waits until nothing is in progress and counts what is there. It returns an error if something stays in
// progress.
func (c *cluster) settled(ctx context.Context) (remains, error) {
	left, err := c.settle(ctx)
	if err == nil && left > 0 {
		err = fmt.Errorf("%d classes or rooms are still in progress after %s", left, settleTimeout)
	}
	if err != nil {
		return remains{}, err
	}
	return c.remains(ctx)
}
