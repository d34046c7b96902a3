package storage

import (
	"context"

	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// PublishOutbox passes at most limit events of the outbox to publish, the oldest first, deletes those for which publish
// returns nil, and returns their number. Processes that call it at the same time get different events. If the process
// or Postgres fails meanwhile, a published event is passed again later.
func (s *Store) PublishOutbox(
	ctx context.Context, limit int, publish func(context.Context, minigroup.OutboxEvent) error,
) (published int, err error) {
	err = s.inTx(ctx, "publish outbox", func(tx pgx.Tx) error {
		ids := []int64{}
		due, err := list(ctx, tx, "list outbox", func(row pgx.CollectableRow) (e minigroup.OutboxEvent, err error) {
			var id int64
			err = row.Scan(&id, &e.Audience, &e.Label, &e.Payload)
			ids = append(ids, id)
			return e, err
		}, `SELECT id, audience, label, payload FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED`, limit)
		if err != nil {
			return err
		}
		taken := ids[:0]
		for i, e := range due {
			if publish(ctx, e) == nil {
				taken = append(taken, ids[i])
			}
		}
		published = len(taken)
		_, err = tx.Exec(ctx, `DELETE FROM outbox WHERE id = ANY($1)`, taken)
		return err
	})
	return published, err
}
