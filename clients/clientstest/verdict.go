package clientstest

import (
	"errors"
	"testing"

	"minigroups/minigroup"
)

// The outcomes that Verdict returns.
const (
	Done      = "done"
	Refused   = "refused"
	MaybeDone = "maybe done"
	NotDone   = "not done"
)

// Failure returns the error of the service's client, nil if there is none. If it is not an UpstreamError of the
// service, or does not name the operation, it ends the test.
func (s Service[C, N]) Failure(t *testing.T, err error) *minigroup.UpstreamError {
	t.Helper()
	if err == nil {
		return nil
	}
	var failed *minigroup.UpstreamError
	if !errors.As(err, &failed) || failed.Upstream != s.Name || failed.Doing == "" {
		t.Fatalf("a %T: %v", err, err)
	}
	return failed
}

// Verdict returns the outcome of a call: Done, Refused, MaybeDone, NotDone, or a text that equals none of them if the
// error contradicts itself.
func Verdict(err *minigroup.UpstreamError) string {
	switch {
	case err == nil:
		return Done
	case err.Refused && err.MaybeDone:
		return "refused but maybe done"
	case err.Refused:
		return Refused
	case err.MaybeDone:
		return MaybeDone
	default:
		return NotDone
	}
}

// SameTime reports whether a room has this time in unix seconds, where nil is unbounded.
func SameTime(got [2]*int64, start, end *int64) bool {
	return minigroup.Window{Start: got[0], End: got[1]}.Equal(minigroup.Window{Start: start, End: end})
}
