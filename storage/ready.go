package storage

import (
	"context"
	"fmt"

	"github.com/pressly/goose/v3"
)

// Ready returns an error unless Postgres accepts writes and has the schema of this program. An older schema is a
// *SchemaError; a newer one is accepted, because migrations only add. If a connection finds that its server accepts no
// writes, all connections are discarded, so that the next ones find the server that does.
func (s *Store) Ready(ctx context.Context) error {
	want, err := newestMigration()
	if err != nil {
		return err
	}
	var have int64
	var readOnly bool
	err = s.reads.QueryRow(ctx, `
		SELECT coalesce(max(version_id), 0), current_setting('transaction_read_only')::boolean
		FROM goose_db_version WHERE is_applied`).Scan(&have, &readOnly)
	if isUndefinedTable(err) {
		have, err = 0, nil
	}
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if readOnly {
		s.discardConns(errReadOnly)
		return errReadOnly
	}
	if have < want {
		return &SchemaError{Have: have, Want: want}
	}
	return nil
}

// SchemaError says that the database has an older schema than this program needs.
type SchemaError struct{ Have, Want int64 }

func (e *SchemaError) Error() string {
	return fmt.Sprintf("the database has schema version %d and this program needs %d: run the migrate command first",
		e.Have, e.Want)
}

func newestMigration() (int64, error) {
	entries, err := migrationFiles.ReadDir("migrations")
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	return goose.NumericComponent(entries[len(entries)-1].Name())
}
