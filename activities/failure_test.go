package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"

	"minigroups/minigroup"
)

// overTheWire is an error as a workflow gets it.
func overTheWire(err error) error {
	c := temporal.GetDefaultFailureConverter()
	return c.FailureToError(c.ErrorToFailure(err))
}

func TestFailed(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		want  Failure
		final bool
		after time.Duration
	}{
		{
			name: "a refusal of another service is final",
			err: &minigroup.UpstreamError{
				Upstream: "conference", Doing: "create conference room", Status: 403, Type: "access_denied", Detail: "no", Refused: true,
			},
			want: Failure{
				minigroup.UpstreamRefused, "create conference room: conference refused: access_denied (403): no", "conference", "access_denied",
			},
			final: true,
		},
		{
			name:  "a refusal to move a room has a word of its own",
			err:   pivotRefusal(&minigroup.UpstreamError{Upstream: "conference", Doing: "update", Type: "room_time_changing_forbidden", Refused: true}),
			want:  Failure{minigroup.RoomTimeChangeForbidden, "update: conference refused: room_time_changing_forbidden", "conference", "room_time_changing_forbidden"},
			final: true,
		},
		{
			name:  "so has a room that is closed",
			err:   pivotRefusal(&minigroup.UpstreamError{Upstream: "conference", Doing: "update", Type: "room_closed", Refused: true}),
			want:  Failure{minigroup.Closed, "update: conference refused: room_closed", "conference", "room_closed"},
			final: true,
		},
		{
			name:  "a service that is away is tried again, after the time it asks for",
			err:   &minigroup.UpstreamError{Upstream: "event", Doing: "create event room", Status: 503, RetryAfter: 7 * time.Second},
			want:  Failure{minigroup.UpstreamUnavailable, "create event room: event is not available (503)", "event", ""},
			after: 7 * time.Second,
		},
		{
			name: "the word of an error that is not refused does not make it final",
			err:  &minigroup.UpstreamError{Upstream: "conference", Doing: "close", Type: "room_closed"},
			want: Failure{minigroup.UpstreamUnavailable, "close: conference is not available: room_closed", "conference", "room_closed"},
		},
		{
			name: "a request that may have been done is tried again, and its cause, which may name hosts, is not told",
			err:  &minigroup.UpstreamError{Upstream: "janus", Doing: "reserve", MaybeDone: true, Err: errors.New("dial 10.0.0.7: EOF")},
			want: Failure{minigroup.UpstreamUnavailable, "reserve: janus is not available", "janus", ""},
		},
		{
			name:  "what the ledger or the rules refuse is final",
			err:   minigroup.Errorf(minigroup.CapacityExceeded, "no gateway has %d slots", 8),
			want:  Failure{Kind: minigroup.CapacityExceeded, Detail: "no gateway has 8 slots"},
			final: true,
		},
		{
			name:  "a refusal keeps who refused",
			err:   fmt.Errorf("begin: %w", &minigroup.Error{Kind: minigroup.UpstreamRefused, Detail: "no", Upstream: "conference", UpstreamType: "room_not_found"}),
			want:  Failure{minigroup.UpstreamRefused, "no", "conference", "room_not_found"},
			final: true,
		},
		{
			name: "anything else is tried again, and its words stay inside",
			err:  errors.New("connect to postgres://user:secret@db: refused"),
			want: Failure{Kind: minigroup.ServiceUnavailable, Detail: "a step could not be carried out: the database or this service is not well"},
		},
		{
			name: "so is a timeout of our own",
			err:  fmt.Errorf("begin create: %w", context.DeadlineExceeded),
			want: Failure{Kind: minigroup.ServiceUnavailable, Detail: "a step could not be carried out: the database or this service is not well"},
		},
		{
			name: "of several errors that of the other service is told",
			err:  errors.Join(&minigroup.UpstreamError{Upstream: "janus", Doing: "reserve"}, errors.New("the ledger is away")),
			want: Failure{minigroup.UpstreamUnavailable, "reserve: janus is not available", "janus", ""},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := overTheWire(toApplicationError(c.err))
			failure, final, superseded := FailureOf(err)
			if failure != c.want || final != c.final || superseded {
				t.Errorf("got %+v, final %t, superseded %t", failure, final, superseded)
			}
			var app *temporal.ApplicationError
			if !errors.As(err, &app) || app.Type() != string(c.want.Kind) || app.NextRetryDelay() != c.after {
				t.Errorf("got %#v", app)
			}
		})
	}
	t.Run("no error stays none", func(t *testing.T) {
		if err := toApplicationError(nil); err != nil {
			t.Error(err)
		}
	})
	t.Run("a run that was superseded ends, also where another error came with it", func(t *testing.T) {
		err := errors.Join(minigroup.Supersededf("the minigroup belongs to run %s", "run-2"), &minigroup.UpstreamError{Upstream: "janus"})
		failure, final, superseded := FailureOf(overTheWire(toApplicationError(err)))
		if !final || !superseded || !strings.Contains(failure.Detail, "run-2") {
			t.Errorf("got %+v, final %t, superseded %t", failure, final, superseded)
		}
	})
	t.Run("a step whose worker has gone is tried again", func(t *testing.T) {
		failure, final, superseded := FailureOf(context.DeadlineExceeded)
		if failure.Kind != minigroup.UpstreamUnavailable || final || superseded {
			t.Errorf("got %+v, final %t, superseded %t", failure, final, superseded)
		}
	})
	t.Run("an error that was made without details keeps its words", func(t *testing.T) {
		err := temporal.NewNonRetryableApplicationError("out of paper", "printer", nil)
		failure, final, _ := FailureOf(overTheWire(err))
		if failure.Kind != minigroup.ServiceUnavailable || failure.Detail != "out of paper" || !final {
			t.Errorf("got %+v, final %t", failure, final)
		}
	})
}

func TestALockInAHistoryOfOldIsOfTheChat(t *testing.T) {
	room := uuid.New()
	var in LockInput
	if err := json.Unmarshal([]byte(`"`+room.String()+`"`), &in); err != nil || in != (LockInput{Room: room, Chat: true}) {
		t.Errorf("got %+v, %v", in, err)
	}
	text, err := json.Marshal(LockInput{Room: room, Questions: true})
	if err != nil {
		t.Fatal(err)
	}
	in = LockInput{}
	if err := json.Unmarshal(text, &in); err != nil || in != (LockInput{Room: room, Questions: true}) {
		t.Errorf("got %+v, %v", in, err)
	}
}

func TestInputsComeBackAsTheyWere(t *testing.T) {
	draft := minigroup.Draft{
		Audience: "example.org", Scope: "math/7b", Host: "host", Time: minigroup.Window{Start: new(int64(1)), End: new(int64(2))},
		Tags: []byte(`{"a":1}`), Reserve: new(int32(3)), LockedChat: true, LockedQuestions: true, Properties: []byte(`{"b":2}`),
	}
	if got := ToDraft(draft).Minigroup(); got.Fingerprint() != draft.Fingerprint() {
		t.Errorf("got %+v, want %+v", got, draft)
	}
	draft.Origin = "that of the first request"
	if got := ToDraft(draft).Minigroup(); got.Origin != draft.Origin {
		t.Errorf("got %+v, want %+v", got, draft)
	}
	for _, change := range []minigroup.Change{
		{}, {Time: &minigroup.Window{}}, {Time: &minigroup.Window{End: new(int64(2))}, Reserve: new(int32(0)), Host: new("a.b.c")},
	} {
		if got := ToChange(change).Minigroup(); got.Fingerprint() != change.Fingerprint() {
			t.Errorf("got %+v, want %+v", got, change)
		}
	}
}
