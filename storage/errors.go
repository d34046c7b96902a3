package storage

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"minigroups/minigroup"
)

// wrap says what was being done, and leaves alone the errors that callers act on.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	var known *minigroup.Error
	var owned *minigroup.OwnedError
	var superseded *minigroup.SupersededError
	if errors.As(err, &known) || errors.As(err, &owned) || errors.As(err, &superseded) {
		return err
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// violates reports whether err is the violation of this unique constraint or index.
func violates(err error, constraint string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == "23505" && pgErr.ConstraintName == constraint
}

func isUndefinedTable(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == "42P01"
}
