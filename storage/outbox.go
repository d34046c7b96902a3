package storage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// claimOutbox claims events for $1. The limit is part of the text, because Postgres reads a whole index for a limit
// that it does not know.
const claimOutbox = `
	UPDATE outbox SET claimed_until = now() + $1::interval WHERE id = ANY(ARRAY(
		SELECT id FROM outbox WHERE claimed_until <= now() ORDER BY id LIMIT %d FOR UPDATE SKIP LOCKED))
	RETURNING id, audience, label, payload`

// ClaimOutbox returns at most limit events of the outbox that are to be published, the oldest first. Until the lease is
// over, no other call returns them. The caller passes each to SettleOutbox; if it does not, the event is returned again
// after the lease, so it may be published twice.
func (s *Store) ClaimOutbox(ctx context.Context, limit int, lease time.Duration) ([]minigroup.OutboxEvent, error) {
	events, err := list(ctx, s.pool, "claim outbox", func(row pgx.CollectableRow) (e minigroup.OutboxEvent, err error) {
		err = row.Scan(&e.ID, &e.Audience, &e.Label, &e.Payload)
		return e, err
	}, fmt.Sprintf(claimOutbox, limit), lease)
	slices.SortFunc(events, func(a, b minigroup.OutboxEvent) int { return cmp.Compare(a.ID, b.ID) })
	return events, err
}

// SettleOutbox deletes the events that were published. Those that the broker has refused are returned by ClaimOutbox
// again after the pause, so that they do not delay others, and those that were not published at once. Called twice, it
// does the same once.
func (s *Store) SettleOutbox(ctx context.Context, outcome minigroup.OutboxOutcome, pause time.Duration) error {
	return s.inBatch(ctx, "settle outbox", func(batch *pgx.Batch) {
		batch.Queue(`DELETE FROM outbox WHERE id = ANY($1)`, outcome.Published)
		batch.Queue(`UPDATE outbox SET claimed_until = now() + $2::interval WHERE id = ANY($1)`, outcome.Refused, pause)
		batch.Queue(`UPDATE outbox SET claimed_until = now() WHERE id = ANY($1)`, outcome.Unpublished)
	})
}

// WaitingEvents lists at most limit events of the outbox, the oldest first, or all of those with these ids.
func (s *Store) WaitingEvents(ctx context.Context, ids []int64, limit int) ([]minigroup.WaitingEvent, error) {
	scan := func(row pgx.CollectableRow) (e minigroup.WaitingEvent, err error) {
		err = row.Scan(&e.ID, &e.Audience, &e.Label, &e.Payload, &e.WrittenAt)
		return e, err
	}
	return list(ctx, s.pool, "list outbox", scan, `
		SELECT id, audience, label, payload, written_at FROM outbox
		WHERE coalesce(cardinality($1::bigint[]), 0) = 0 OR id = ANY($1) ORDER BY id LIMIT $2`,
		ids, max(limit, len(ids)))
}
