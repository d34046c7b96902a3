package workflows

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// oneUpdate is a Store with a minigroup and an update of it.
type oneUpdate struct {
	oneRow
	rec     minigroup.UpdateRecord
	recErr  error
	claimed *minigroup.Claim
}

func (s oneUpdate) UpdateRecord(context.Context, uuid.UUID) (minigroup.UpdateRecord, error) {
	return s.rec, s.recErr
}

func (s oneUpdate) AcceptUpdate(
	_ context.Context, claim minigroup.Claim, _, _ uuid.UUID, _ minigroup.Change,
) error {
	*s.claimed = claim
	return nil
}

func updateIn(state minigroup.UpdateState) minigroup.UpdateRecord {
	return minigroup.UpdateRecord{Update: minigroup.Update{State: state, Failure: &oldFailure}}
}

func TestResultOfAnUpdate(t *testing.T) {
	ready := oneRow{m: minigroup.Minigroup{State: minigroup.Ready, Draft: minigroup.Draft{Host: "a.b.c"}}}
	away, unknown := errors.New("connection refused"), minigroup.Errorf(minigroup.ClassNotFound, "none")
	for name, c := range map[string]struct {
		store   oneUpdate
		ended   bool
		outcome minigroup.Outcome
		kind    minigroup.Kind
		// succeeded says that a waiter returns after it has read the row.
		succeeded bool
	}{
		"done": {
			store: oneUpdate{oneRow: ready, rec: updateIn(minigroup.UpdateDone)}, outcome: minigroup.OutcomeDone,
			succeeded: true,
		},
		"done after the end of its run": {
			store: oneUpdate{oneRow: ready, rec: updateIn(minigroup.UpdateDone)}, ended: true,
			outcome: minigroup.OutcomeDone, succeeded: true,
		},
		"in progress": {
			store: oneUpdate{oneRow: ready, rec: updateIn(minigroup.UpdateRunning)}, outcome: minigroup.OutcomeAccepted,
		},
		"undecided after the end of its run": {
			store: oneUpdate{oneRow: ready, rec: updateIn(minigroup.UpdateRunning)}, ended: true,
			kind: minigroup.ServiceUnavailable,
		},
		"failed": {
			store: oneUpdate{oneRow: ready, rec: updateIn(minigroup.UpdateFailed)}, kind: oldFailure.Kind,
		},
		"failed after the end of its run": {
			store: oneUpdate{oneRow: ready, rec: updateIn(minigroup.UpdateFailed)}, ended: true, kind: oldFailure.Kind,
		},
		"not begun": {
			store: oneUpdate{oneRow: ready, recErr: unknown}, outcome: minigroup.OutcomeAccepted,
		},
		"not begun at the end of its run": {
			store: oneUpdate{oneRow: ready, recErr: unknown}, ended: true, kind: minigroup.ServiceUnavailable,
		},
		"without the database": {
			store: oneUpdate{oneRow: ready, recErr: away}, kind: minigroup.ServiceUnavailable,
		},
		"done, and then without the database": {
			store: oneUpdate{oneRow: oneRow{err: away}, rec: updateIn(minigroup.UpdateDone)},
			kind:  minigroup.ServiceUnavailable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			row := updateRow{store: c.store}
			m, outcome, err := row.result(t.Context(), "run-1", c.ended)
			var public *minigroup.Error
			if c.kind == "" && err != nil || c.kind != "" && (!errors.As(err, &public) || public.Kind != c.kind) {
				t.Errorf("got error %v, want kind %q", err, c.kind)
			}
			if outcome != c.outcome || c.kind == "" && m.Host != "a.b.c" {
				t.Errorf("got outcome %d of %+v, want %d", outcome, m, c.outcome)
			}
			if m, ok := row.succeeded(t.Context(), nil); ok != c.succeeded || ok && m.Host != "a.b.c" {
				t.Errorf("it has succeeded: %t with %+v", ok, m)
			}
		})
	}
}

func TestAnUpdateIsAcceptedInItsRow(t *testing.T) {
	var claim minigroup.Claim
	row := updateRow{store: oneUpdate{claimed: &claim}}
	if err := row.accept(t.Context(), minigroup.Claim{Run: "run-1"}); err != nil || claim.Run != "run-1" {
		t.Errorf("it is accepted with %+v, %v", claim, err)
	}
}

func TestACreateHasSucceededOnceItsOwnMinigroupIsReady(t *testing.T) {
	ready := minigroup.Minigroup{State: minigroup.Ready, Fingerprint: "equal"}
	other, failed := ready, ready
	other.Fingerprint, failed.State = "other", minigroup.Failed
	for name, c := range map[string]struct {
		established *minigroup.Minigroup
		row         oneRow
		want        bool
	}{
		"handed over":               {established: &ready, row: oneRow{m: failed}, want: true},
		"of another request":        {established: &other, row: oneRow{m: ready}},
		"read":                      {row: oneRow{m: ready}, want: true},
		"read, of another request":  {row: oneRow{m: other}},
		"read and failed":           {row: oneRow{m: failed}},
		"ready, and cannot be read": {row: oneRow{m: ready, err: errors.New("connection refused")}},
	} {
		row := createRow{store: c.row, request: minigroup.CreateRequest{Fingerprint: "equal"}}
		if m, ok := row.succeeded(t.Context(), c.established); ok != c.want || ok && m.Fingerprint != "equal" {
			t.Errorf("%s: it has succeeded: %t with %+v", name, ok, m)
		}
	}
}

// TestWhatCannotBeChangedStartsNoRun sends updates and recreates of minigroups that cannot have them.
func TestWhatCannotBeChangedStartsNoRun(t *testing.T) {
	over := time.Unix(1, 0)
	for name, c := range map[string]struct {
		m        minigroup.Minigroup
		update   minigroup.Kind
		recreate minigroup.Kind
	}{
		"failed": {
			m: minigroup.Minigroup{State: minigroup.Failed}, update: minigroup.NotReady, recreate: minigroup.NotReady,
		},
		"open":   {m: minigroup.Minigroup{State: minigroup.Ready}},
		"closed": {m: minigroup.Minigroup{State: minigroup.Ready, ClosedAt: over}, update: minigroup.Closed},
		"erased": {
			m: minigroup.Minigroup{State: minigroup.Ready, ErasedAt: over}, update: minigroup.Closed,
			recreate: minigroup.Closed,
		},
	} {
		for operation, want := range map[string]minigroup.Kind{"update": c.update, "recreate": c.recreate} {
			t.Run(name+" "+operation, func(t *testing.T) {
				f := &startedRuns{}
				s := NewStarter(f, oneUpdate{oneRow: oneRow{m: c.m}, rec: updateIn(minigroup.UpdateDone)}, "queue", time.Hour)
				change := otherHost
				if operation == "recreate" {
					change = newRooms
				}
				_, _, err := s.Update(t.Context(), c.m, change, time.Second)
				var public *minigroup.Error
				if want == "" {
					if err != nil || len(f.options) != 1 || f.workflow != operation+"_minigroup" {
						t.Errorf("got %v, %d runs were started, the last of %s", err, len(f.options), f.workflow)
					}
					return
				}
				if !errors.As(err, &public) || public.Kind != want || len(f.options) != 0 {
					t.Errorf("got %v, want %s; %d runs were started", err, want, len(f.options))
				}
			})
		}
	}
}

func TestACreateOfWhatExistsStartsNoRun(t *testing.T) {
	r := minigroup.NewCreateRequest(minigroup.Draft{Audience: "example.org", Scope: "math-7b"})
	ready := minigroup.Minigroup{Draft: r.Draft, ID: r.ID, State: minigroup.Ready, Fingerprint: r.Fingerprint}
	other := ready
	other.Fingerprint = "other"
	for name, c := range map[string]struct {
		row     oneRow
		outcome minigroup.Outcome
		kind    minigroup.Kind
	}{
		"equal":                {row: oneRow{m: ready}, outcome: minigroup.OutcomeExisting},
		"another draft":        {row: oneRow{m: other}, kind: minigroup.AlreadyEstablished},
		"without the database": {row: oneRow{err: errors.New("connection refused")}, kind: minigroup.ServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			f := &startedRuns{}
			_, outcome, err := NewStarter(f, c.row, "queue", time.Hour).Create(t.Context(), r, time.Second)
			var public *minigroup.Error
			if c.kind == "" && err != nil || c.kind != "" && (!errors.As(err, &public) || public.Kind != c.kind) {
				t.Errorf("got error %v, want kind %q", err, c.kind)
			}
			if outcome != c.outcome || len(f.options) != 0 {
				t.Errorf("got outcome %d, want %d; %d runs were started", outcome, c.outcome, len(f.options))
			}
		})
	}
}
