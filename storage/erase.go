package storage

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/stored"
)

// erasePersonalData are the statements that erase the personal data of the class $1, in this order.
var erasePersonalData = []string{
	`UPDATE minigroup SET host = '', tags = NULL, properties = '{}', requested_by = NULL, erased_at = now(),
		changed_at = now()
	WHERE id = $1`,
	`UPDATE minigroup_update SET requested = requested - 'requested_by' - 'host', patch = patch - 'host',
		old_host = NULL, new_host = NULL
	WHERE class_id = $1`,
	`UPDATE outbox SET payload = payload - 'tags' WHERE payload->>'id' = $1::uuid::text`,
	// The audience of an account stays, and so does the name of an operator: the history still says who was responsible.
	`UPDATE minigroup_history SET erased = true,
		by_whom = CASE WHEN by_whom ? 'account' THEN jsonb_set(by_whom, '{account,label}', '""') ELSE by_whom END
			- 'reason',
		details = details #- '{host}' #- '{old,host}' #- '{new,host}' #- '{requested,host}'
	WHERE class_id = $1 AND NOT erased`,
}

// ErasePersonalData removes the host, the tags and the properties of a class, who has asked for its operations, and
// their reasons, from its row, its updates, its events that wait and its history, and records that. The class gets no
// new rooms then. It returns NotClosed unless the class has ended or failed, and no update of it is undecided, and
// ClassNotFound if there is no such class. Called twice, it does the same once.
func (s *Store) ErasePersonalData(ctx context.Context, id uuid.UUID, by minigroup.Requester) error {
	return s.inTx(ctx, "erase personal data", func(tx pgx.Tx) error {
		row, err := lockRow(ctx, tx, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return minigroup.Errorf(minigroup.ClassNotFound, "there is no minigroup with this id")
		}
		if err != nil || row.erased {
			return err
		}
		open, err := readUndecided(ctx, tx, id)
		if err != nil {
			return err
		}
		if over := row.state == minigroup.Failed || row.closedAt != nil; !over || open != nil {
			return minigroup.Errorf(minigroup.NotClosed,
				"personal data can be erased when the class has ended or failed, and no update of it is in progress")
		}
		var batch pgx.Batch
		for _, sql := range erasePersonalData {
			batch.Queue(sql, id)
		}
		batch.Queue(`SELECT add_history('personal_data_erased', $1, '', $2, '{}')`, id, stored.NewRequester(by))
		return tx.SendBatch(ctx, &batch).Close()
	})
}
