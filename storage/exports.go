package storage

import (
	"context"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// exportBatch is how many minigroups ExportClasses reads.
const exportBatch = 200

// ExportClasses lists those minigroups, among the next that follow after, that were created or changed here since
// dispatcher had them as they were; of one audience, unless that is empty. It returns the last that it has read;
// uuid.Nil if there is none.
func (s *Store) ExportClasses(
	ctx context.Context, audience string, after uuid.UUID,
) (classes []minigroup.ExportedClass, last uuid.UUID, err error) {
	rows, _ := s.pool.Query(ctx, exportClasses, after, audience) // CollectRows returns its error
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c minigroup.ExportedClass, err error) {
		var differs bool
		if err = scanMinigroup(row, &c.Minigroup, &c.Source, &differs); err == nil && differs {
			classes = append(classes, c)
		}
		return c, err
	})
	if len(all) > 0 {
		last = all[len(all)-1].ID
	}
	return classes, last, wrap("list classes to export", err)
}

// The limit is part of the text, because Postgres reads the whole table for a limit that it does not know.
var exportClasses = `
	SELECT ` + minigroupColumns + `, coalesce(d.source, ''),
		d.revision IS DISTINCT FROM m.revision AND ($2 = '' OR m.audience = $2)
	FROM (SELECT * FROM minigroup WHERE id > $1 ORDER BY id LIMIT ` + strconv.Itoa(exportBatch) + `) m
	LEFT JOIN LATERAL (SELECT * FROM dispatcher_class WHERE class_id = m.id LIMIT 1) d ON true
	ORDER BY m.id`

// RecordExport records that dispatcher has the minigroup as it was at its revision, in a row with this hash. It records
// nothing if the minigroup has changed since, so that it is exported again.
func (s *Store) RecordExport(
	ctx context.Context, m minigroup.Minigroup, source string, by minigroup.Requester,
) error {
	who, err := actor(by)
	if err != nil {
		return err
	}
	return s.inBatch(ctx, "record export", func(batch *pgx.Batch) {
		batch.Queue(actAs, who)
		batch.Queue(markSynced, m.ID, source, minigroup.HistoryExported, m.Revision)
	})
}

// Accounts lists the accounts that follow after in the order of audience and label, with their properties, at most
// limit; of one audience, unless that is empty.
func (s *Store) Accounts(
	ctx context.Context, audience string, after minigroup.Account, limit int,
) (accounts []minigroup.Account, properties [][]byte, err error) {
	var a minigroup.Account
	var document []byte
	rows, _ := s.pool.Query(ctx, `
		SELECT audience, label, properties FROM account
		WHERE (audience, label) > ($1, $2) AND ($3 = '' OR audience = $3) ORDER BY audience, label LIMIT $4`,
		after.Audience, after.Label, audience, limit)
	_, err = pgx.ForEachRow(rows, []any{&a.Audience, &a.Label, &document}, func() error {
		accounts, properties = append(accounts, a), append(properties, append([]byte(nil), document...))
		return nil
	})
	return accounts, properties, wrap("list accounts", err)
}
