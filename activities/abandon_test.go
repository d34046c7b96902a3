package activities

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/testsuite"
	"go.uber.org/zap"

	"minigroups/minigroup"
	"minigroups/stored"
)

func TestAbandonedAttemptsAreRefused(t *testing.T) {
	t.Parallel()
	for name, failures := range map[string]int{
		"at once":                              0,
		"when the ledger is available again":   3,
		"one at once, another after a failure": 1,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newFakeLedger()
			l.failures = failures
			f := NewInFlight(l, l, zap.NewNop())
			event, conference := uuid.New(), uuid.New()
			f.abandon(t.Context(), errors.New("the connection was lost"), event, conference)
			if len(l.refused) != 2 || !l.refused[event] || !l.refused[conference] {
				t.Errorf("got %v, want %s and %s", l.refused, event, conference)
			}
			stop(t, f)
		})
	}
	t.Run("also after the step has ended", func(t *testing.T) {
		t.Parallel()
		l := newFakeLedger()
		l.failures = 1
		f := NewInFlight(l, l, zap.NewNop())
		ended, end := context.WithCancel(t.Context())
		end()
		event := uuid.New()
		f.abandon(ended, errors.New("the connection was lost"), event)
		stop(t, f) // waits until it is recorded
		if len(l.refused) != 1 || !l.refused[event] {
			t.Errorf("got %v, want %s", l.refused, event)
		}
	})
	t.Run("not if the ledger has decided to write none", func(t *testing.T) {
		t.Parallel()
		l := newFakeLedger()
		f := NewInFlight(l, l, zap.NewNop())
		f.abandon(t.Context(), minigroup.Errorf(minigroup.CapacityExceeded, "full"), uuid.New())
		f.abandon(t.Context(), minigroup.Supersededf("another run"), uuid.New())
		stop(t, f)
		if len(l.refused) != 0 {
			t.Errorf("got %v", l.refused)
		}
	})
}

// lateLedger fails to write attempts although it may have written them, as after a lost connection.
type lateLedger struct {
	Ledger
	written []uuid.UUID
}

func (l *lateLedger) write(attempts ...uuid.UUID) error {
	l.written = append(l.written, attempts...)
	return errors.New("the connection was lost")
}

func (l *lateLedger) BeginCreate(_ context.Context, c minigroup.CreateEntry) (minigroup.BegunCreate, error) {
	return minigroup.BegunCreate{}, l.write(c.EventAttempt, c.ConferenceAttempt)
}

func (l *lateLedger) ReadForUpdate(
	context.Context, minigroup.Claim, uuid.UUID, uuid.UUID,
) (minigroup.BegunUpdate, error) {
	return minigroup.BegunUpdate{State: minigroup.UpdateRequested}, nil
}

func (l *lateLedger) BeginRecreate(
	_ context.Context, r minigroup.RecreateEntry,
) (event, conference uuid.UUID, err error) {
	return r.EventAttempt, r.ConferenceAttempt, l.write(r.EventAttempt, r.ConferenceAttempt)
}

func (l *lateLedger) OpenAttempt(_ context.Context, a minigroup.AttemptEntry) (minigroup.Attempt, error) {
	return minigroup.Attempt{ID: a.ID, State: minigroup.AttemptSent}, l.write(a.ID)
}

func TestAttemptsWhoseWriteHasFailedAreRefusedAndNotSent(t *testing.T) {
	t.Parallel()
	room := RoomInput{ClassID: uuid.New(), Operation: minigroup.ForCreate}
	recreate := UpdateInput{ID: uuid.New(), ClassID: uuid.New(), Change: stored.Change{Recreate: &stored.Recreation{}}}
	for name, c := range map[string]struct {
		step     func(*Activities) any
		in       any
		attempts int
	}{
		"begin create":   {func(a *Activities) any { return a.BeginCreate }, stored.CreateRequest{}, 2},
		"begin recreate": {func(a *Activities) any { return a.BeginRecreate }, recreate, 2},
		"create room":    {func(a *Activities) any { return a.CreateEventRoom }, room, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers, late := newFakeLedger(), &lateLedger{}
			f := NewInFlight(answers, answers, zap.NewNop())
			a := &Activities{
				Settings: Settings{StepWait: deadline, RequestTimeout: time.Hour}, Ledger: late, InFlight: f,
				Limits: NewLimits(0),
			}
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			step := c.step(a)
			env.RegisterActivity(step)
			if _, err := env.ExecuteActivity(step, c.in); err == nil {
				t.Error("the step succeeded")
			}
			if len(late.written) != c.attempts || slices.Contains(late.written, uuid.Nil) {
				t.Fatalf("the step wrote %v", late.written)
			}
			if n := f.Count(); n != 0 {
				t.Errorf("%d requests are in flight", n)
			}
			for range late.written {
				if call := answers.next(t); call != "refused" {
					t.Errorf("the ledger was called with %q", call)
				}
			}
			for _, attempt := range late.written {
				if !answers.refused[attempt] || f.requests[attempt] != nil {
					t.Errorf("attempt %s is not refused, or may still be sent", attempt)
				}
			}
			stop(t, f)
			answers.none(t)
		})
	}
}
