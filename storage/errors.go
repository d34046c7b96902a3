package storage

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"minigroups/minigroup"
)

// wrap adds what was being done to an error, except to those that callers act on.
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

// sqlState is the SQLSTATE of an error of Postgres, and empty for every other error.
func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// The SQLSTATEs that mean something here.
const (
	uniqueViolation      = "23505"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	undefinedTable       = "42P01"
	adminShutdown        = "57P01"
	crashShutdown        = "57P02"
	// slotsFitNowhere is raised by raise_capacity_exceeded in the schema.
	slotsFitNowhere = "MG001"
)

// violates reports whether err is a violation of this unique constraint or index.
func violates(err error, constraint string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == uniqueViolation && pgErr.ConstraintName == constraint
}

// isDeadlock reports whether Postgres has aborted the transaction so that others can go on.
func isDeadlock(err error) bool {
	return sqlState(err) == deadlockDetected || sqlState(err) == serializationFailure
}

func isUndefinedTable(err error) bool { return sqlState(err) == undefinedTable }

// isLost reports whether a query failed because of its connection. The connection may have been dead for a while, so
// that says nothing about Postgres.
func isLost(err error) bool {
	if state := sqlState(err); state != "" {
		return state == adminShutdown || state == crashShutdown
	}
	var network *net.OpError
	return errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}

// capacityExceeded turns the error of an admission whose slots fit on no gateway into a *minigroup.Error of kind
// CapacityExceeded, and returns every other unchanged. slots is the number that was requested.
func capacityExceeded(err error, slots int32) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != slotsFitNowhere {
		return err
	}
	if pgErr.Detail == "" {
		return minigroup.Errorf(minigroup.CapacityExceeded, "no gateway is there to reserve %d slots on", slots)
	}
	return minigroup.Errorf(minigroup.CapacityExceeded,
		"no gateway has %d slots free for all of the class; the most that is free is %s", slots, pgErr.Detail)
}
