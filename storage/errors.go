package storage

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

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
	featureNotSupported  = "0A000"
	uniqueViolation      = "23505"
	readOnlyTransaction  = "25006"
	invalidAuthorization = "28000"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	undefinedTable       = "42P01"
	lockNotAvailable     = "55P03"
	adminShutdown        = "57P01"
	crashShutdown        = "57P02"
	cannotConnectNow     = "57P03"
	// connectionException is the class of these errors: its SQLSTATEs begin with it.
	connectionException = "08"
	// slotsFitNowhere is raised by raise_capacity_exceeded in the schema.
	slotsFitNowhere = "MG001"
)

// violates reports whether err is a violation of this unique constraint or index.
func violates(err error, constraint string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == uniqueViolation && pgErr.ConstraintName == constraint
}

// isAborted reports whether Postgres has aborted the transaction for a reason that another attempt may not meet: a
// deadlock, a read-only session, or an outdated plan. Nothing of the transaction has happened.
func isAborted(err error) bool {
	switch sqlState(err) {
	case deadlockDetected, serializationFailure, readOnlyTransaction:
		return true
	default:
		return hasOutdatedPlan(err)
	}
}

// hasOutdatedPlan reports whether a migration has changed what a prepared statement returns.
func hasOutdatedPlan(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == featureNotSupported && strings.Contains(pgErr.Message, "cached plan")
}

func isUndefinedTable(err error) bool { return sqlState(err) == undefinedTable }

// concernsAllConns reports whether the other connections of the pool would meet the same error: the server has ended or
// accepts no writes any more, the network has failed, or a migration has outdated the prepared statements. It says
// nothing about a new connection.
func concernsAllConns(err error) bool {
	if state := sqlState(err); state != "" {
		switch state {
		case adminShutdown, crashShutdown, cannotConnectNow, readOnlyTransaction:
			return true
		default:
			return strings.HasPrefix(state, connectionException) || hasOutdatedPlan(err)
		}
	}
	var network *net.OpError
	return errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errReadOnly) ||
		pgconn.SafeToRetry(err)
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
