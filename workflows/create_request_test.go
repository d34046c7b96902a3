package workflows

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// oneRow is a Store with the row of one minigroup.
type oneRow struct {
	Store
	m   minigroup.Minigroup
	err error
}

func (s oneRow) ByID(context.Context, uuid.UUID) (minigroup.Minigroup, error)     { return s.m, s.err }
func (s oneRow) Read(context.Context, minigroup.Key) (minigroup.Minigroup, error) { return s.m, s.err }

func TestResultOfACreate(t *testing.T) {
	const own, other = "run-2", "run-1"
	failed := func(run string) minigroup.Minigroup {
		return minigroup.Minigroup{State: minigroup.Failed, Run: run, Failure: &minigroup.Failure{
			Kind: minigroup.CapacityExceeded, Detail: "no slots",
		}}
	}
	for name, c := range map[string]struct {
		row     oneRow
		ended   bool
		outcome minigroup.Outcome
		kind    minigroup.Kind
	}{
		"ready": {
			row:     oneRow{m: minigroup.Minigroup{State: minigroup.Ready, Fingerprint: "equal"}},
			outcome: minigroup.OutcomeDone,
		},
		"ready from another request": {
			row:  oneRow{m: minigroup.Minigroup{State: minigroup.Ready, Fingerprint: "other"}},
			kind: minigroup.AlreadyEstablished,
		},
		"in progress": {
			row:     oneRow{m: minigroup.Minigroup{State: minigroup.Creating, Run: own}},
			outcome: minigroup.OutcomeAccepted,
		},
		"undecided after the end of its run": {
			row:   oneRow{m: minigroup.Minigroup{State: minigroup.Creating, Run: own}},
			ended: true, kind: minigroup.ServiceUnavailable,
		},
		"failed": {
			row: oneRow{m: failed(own)}, ended: true, kind: minigroup.CapacityExceeded,
		},
		"failed under an earlier run, while its own was ended from outside": {
			row: oneRow{m: failed(other)}, ended: true, kind: minigroup.ServiceUnavailable,
		},
		"failed under a later run, while its own has ended": {
			row: oneRow{m: failed(other)}, kind: minigroup.ServiceUnavailable,
		},
		"without a row after the end of its run": {
			row: oneRow{err: minigroup.Errorf(minigroup.ClassNotFound, "none")}, ended: true,
			kind: minigroup.ServiceUnavailable,
		},
		"without the database": {
			row: oneRow{err: errors.New("connection refused")}, kind: minigroup.ServiceUnavailable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			row := createRow{store: c.row, request: minigroup.CreateRequest{Fingerprint: "equal"}}
			_, outcome, err := row.result(t.Context(), own, c.ended)
			var public *minigroup.Error
			if c.kind == "" && err != nil || c.kind != "" && (!errors.As(err, &public) || public.Kind != c.kind) {
				t.Errorf("got error %v, want kind %q", err, c.kind)
			}
			if outcome != c.outcome {
				t.Errorf("got outcome %d, want %d", outcome, c.outcome)
			}
		})
	}
}
