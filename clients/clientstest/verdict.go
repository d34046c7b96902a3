package clientstest

import (
	"errors"
	"testing"

	"minigroups/minigroup"
)

// The verdicts that tests here reckon with beside refused.
const (
	done      = "done"
	maybeDone = "maybe done"
	notDone   = "not done"
)

// Failure is what an error of the service's client says; nil where there is none. An error that is no UpstreamError of
// the service, or does not say what was being done, ends the test.
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

// Verdict sums a failure up: done, refused, maybe done, not done, or refused but maybe done, which none should be.
func Verdict(err *minigroup.UpstreamError) string {
	switch {
	case err == nil:
		return done
	case err.Refused && err.MaybeDone:
		return "refused but maybe done"
	case err.Refused:
		return "refused"
	case err.MaybeDone:
		return maybeDone
	default:
		return notDone
	}
}

// SameTime reports whether a room has this time, in unix seconds, nil for unbounded.
func SameTime(got [2]*int64, start, end *int64) bool {
	return minigroup.Window{Start: got[0], End: got[1]}.Equal(minigroup.Window{Start: start, End: end})
}
