package storage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"minigroups/minigroup"
	"minigroups/storage"
)

func TestWhatAnErrorIsTakenFor(t *testing.T) {
	sql := func(code, message string) error {
		return fmt.Errorf("a query: %w", &pgconn.PgError{Code: code, Message: message})
	}
	for _, c := range []struct {
		name                 string
		err                  error
		aborted, concernsAll bool
	}{
		{name: "none"},
		{name: "a deadlock", err: sql("40P01", "deadlock detected"), aborted: true},
		{name: "a conflict", err: sql("40001", "could not serialize"), aborted: true},
		{name: "a standby", err: sql("25006", "read-only transaction"), aborted: true, concernsAll: true},
		{name: "an old plan", err: sql("0A000", "cached plan must not change"), aborted: true, concernsAll: true},
		{name: "what Postgres cannot do", err: sql("0A000", "not supported")},
		{name: "another error about a plan", err: sql("XX000", "cached plan")},
		{name: "a constraint", err: sql("23505", "duplicate key")},
		{name: "a shutdown", err: sql("57P01", "terminating connection"), concernsAll: true},
		{name: "a crash", err: sql("57P02", "terminating connection"), concernsAll: true},
		{name: "a start", err: sql("57P03", "starting up"), concernsAll: true},
		{name: "a pooler without a server", err: sql("08P01", "server closed the connection"), concernsAll: true},
		{name: "the network", err: fmt.Errorf("read: %w", &net.OpError{Op: "read", Err: io.EOF}), concernsAll: true},
		{name: "a closed connection", err: fmt.Errorf("read: %w", io.ErrUnexpectedEOF), concernsAll: true},
		{name: "no server that takes writes", err: fmt.Errorf("connect: %w", storage.ErrReadOnly), concernsAll: true},
		{name: "a caller that is gone", err: context.Canceled},
		{name: "something else", err: errors.New("something else")},
	} {
		if got := storage.IsAborted(c.err); got != c.aborted {
			t.Errorf("%s: aborted is %v", c.name, got)
		}
		if got := storage.ConcernsAllConns(c.err); got != c.concernsAll {
			t.Errorf("%s: it concerns all connections: %v", c.name, got)
		}
	}
}

func TestErrorsThatCallersActOnAreNotWrapped(t *testing.T) {
	for _, err := range []error{
		nil, minigroup.Errorf(minigroup.ClassNotFound, "no"), &minigroup.OwnedError{Owner: "run-1"},
		minigroup.Supersededf("no"),
	} {
		if got := storage.Wrap("write", err); got != err { //nolint:errorlint // the same error, not one around it
			t.Errorf("%v became %v", err, got)
		}
	}
	if got := storage.Wrap("write", io.EOF); !errors.Is(got, io.EOF) || got.Error() != "write: EOF" {
		t.Errorf("got %v", got)
	}
}
