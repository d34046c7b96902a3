package activities

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/testsuite"
	"go.uber.org/zap"

	"minigroups/limiter"
	"minigroups/minigroup"
	"minigroups/stored"
)

func TestTheAudienceOfARequestIsThatOfItsRun(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"minigroup/example.org/math-7b":       "example.org",
		"minigroup/example.org/math%2F7b":     "example.org",
		"minigroup/a%2Fb/c":                   "a%2Fb",
		"room/conference/" + uuid.NewString(): "",
		"sweep-classes-workflow-2026":         "",
	} {
		if got := audienceOf(id); got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
}

// scriptedConference answers every read as its function says.
type scriptedConference struct {
	Conference
	read func(context.Context) error
}

func (c scriptedConference) Room(ctx context.Context, _ uuid.UUID) (minigroup.ConferenceRoomState, error) {
	return minigroup.ConferenceRoomState{}, c.read(ctx)
}

func TestAnswersChangeTheLimit(t *testing.T) {
	t.Parallel()
	unavailable := &minigroup.UpstreamError{Upstream: "conference", Status: 503}
	for name, c := range map[string]struct {
		answer error
		limit  int
		paused int
	}{
		"an answer":   {limit: 4},
		"a refusal":   {answer: &minigroup.UpstreamError{Status: 422, Type: "invalid_payload", Refused: true}, limit: 4},
		"a cancel":    {answer: &minigroup.UpstreamError{Err: context.Canceled}, limit: 4},
		"another 422": {answer: &minigroup.UpstreamError{Status: 422, Type: "database_query_failed"}, limit: 4},
		"unavailable": {answer: unavailable, limit: 2},
		"no answer":   {answer: &minigroup.UpstreamError{Err: context.DeadlineExceeded, MaybeDone: true}, limit: 2},
		"too many":    {answer: &minigroup.UpstreamError{Status: 429}, limit: 2},
		"pool used up": {
			answer: &minigroup.UpstreamError{Status: 422, Type: "database_connection_acquisition_failed"}, limit: 2,
		},
		"an audience's authorization service is away": {
			answer: &minigroup.UpstreamError{Status: 503, Type: "authorization_failed", RetryAfter: time.Hour}, limit: 4,
		},
		"a requested pause": {answer: &minigroup.UpstreamError{Status: 503, RetryAfter: time.Hour}, limit: 2, paused: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := NewLimits(4)
			conference := LimitedConference{Limits: limits, Conference: scriptedConference{
				read: func(context.Context) error { return c.answer },
			}}
			if _, err := conference.Room(t.Context(), uuid.New()); !errors.Is(err, c.answer) {
				t.Errorf("got %v", err)
			}
			want := limiter.Stats{Limit: c.limit, Paused: c.paused}
			if got := limits.Stats()["conference"]; got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestARequestThatFindsNoCapacityInTimeIsNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limits := NewLimits(1)
		sent := 0
		conference := LimitedConference{Limits: limits, Conference: scriptedConference{read: func(ctx context.Context) error {
			sent++
			deadline, _ := ctx.Deadline()
			if left := time.Until(deadline); left < 5*time.Second {
				t.Errorf("the request has %s", left)
			}
			return nil
		}}}
		permit := limits.try(t.Context(), conferenceService)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := conference.Room(ctx, uuid.New())
		want := "read conference room: conference: not sent: no capacity in time; 1 requests are in flight, the limit is 1"
		if err == nil || err.Error() != want || sent != 0 {
			t.Errorf("got %v after %d requests", err, sent)
		}
		time.AfterFunc(4*time.Second, permit.Release)
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := conference.Room(ctx, uuid.New()); err != nil || sent != 1 {
			t.Errorf("got %v after %d requests", err, sent)
		}
	})
}

// createLedger begins creates and writes their attempts.
type createLedger struct {
	lateLedger
	begun minigroup.CreateEntry
}

func (l *createLedger) BeginCreate(_ context.Context, c minigroup.CreateEntry) (minigroup.BegunCreate, error) {
	l.begun = c
	return minigroup.BegunCreate{
		State: minigroup.Creating, EventAttempt: c.EventAttempt, ConferenceAttempt: c.ConferenceAttempt,
	}, nil
}

func TestABeginWritesNoAttemptThatWouldHaveToWait(t *testing.T) {
	t.Parallel()
	answers, ledger := newFakeLedger(), &createLedger{}
	limits := NewLimits(1)
	f := NewInFlight(answers, answers, zap.NewNop())
	defer stop(t, f)
	a := &Activities{
		Settings: Settings{StepWait: deadline, RequestTimeout: time.Hour}, Ledger: ledger, InFlight: f, Limits: limits,
	}
	permit := limits.try(t.Context(), conferenceService)
	defer permit.Release()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(a.BeginCreate)
	if _, err := env.ExecuteActivity(a.BeginCreate, stored.CreateRequest{}); err != nil {
		t.Fatal(err)
	}
	if ledger.begun.EventAttempt == uuid.Nil || ledger.begun.ConferenceAttempt != uuid.Nil {
		t.Errorf("the attempts are %s and %s", ledger.begun.EventAttempt, ledger.begun.ConferenceAttempt)
	}
}
