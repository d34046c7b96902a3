package storage

import (
	"errors"
	"fmt"
	"io"
	"net"

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

// capacityExceeded turns an error of raise_capacity_exceeded into a *minigroup.Error of kind CapacityExceeded, and leaves
// every other alone. slots is the number that was wanted.
func capacityExceeded(err error, slots int32) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "MG001" {
		return err
	}
	if pgErr.Detail == "" {
		return minigroup.Errorf(minigroup.CapacityExceeded, "no gateway is there to reserve %d slots on", slots)
	}
	return minigroup.Errorf(minigroup.CapacityExceeded,
		"no gateway has %d slots free for all of the class; the most that is free is %s", slots, pgErr.Detail)
}

// isLost reports whether a query failed for its connection. That says nothing about Postgres: the connection may have been
// dead for a while.
func isLost(err error) bool {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code == "57P01" || refused.Code == "57P02" // it is being shut down, or has crashed
	}
	var network *net.OpError
	return errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}

func isUndefinedTable(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == "42P01"
}
