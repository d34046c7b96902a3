package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"minigroups/minigroup"
	"minigroups/stored"
)

// overTheWire is an error as a workflow gets it.
func overTheWire(err error) error {
	c := temporal.GetDefaultFailureConverter()
	return c.FailureToError(c.ErrorToFailure(err))
}

func TestToApplicationError(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		want  stored.Failure
		final bool
		after time.Duration
	}{
		{
			name: "a refusal of another service is final",
			err: &minigroup.UpstreamError{
				Upstream: "conference", Doing: "create conference room", Status: 403, Type: "access_denied", Detail: "no", Refused: true,
			},
			want: stored.Failure{
				Kind: minigroup.UpstreamRefused, Detail: "create conference room: conference refused: access_denied (403): no",
				Upstream: "conference", UpstreamType: "access_denied",
			},
			final: true,
		},
		{
			name: "a refusal to move a room has a word of its own",
			err:  patchRefusal(&minigroup.UpstreamError{Upstream: "conference", Doing: "update", Type: "room_time_changing_forbidden", Refused: true}),
			want: stored.Failure{
				Kind: minigroup.RoomTimeChangeForbidden, Detail: "update: conference refused: room_time_changing_forbidden",
				Upstream: "conference", UpstreamType: "room_time_changing_forbidden",
			},
			final: true,
		},
		{
			name: "so has a room that is closed",
			err:  patchRefusal(&minigroup.UpstreamError{Upstream: "conference", Doing: "update", Type: "room_closed", Refused: true}),
			want: stored.Failure{
				Kind: minigroup.Closed, Detail: "update: conference refused: room_closed",
				Upstream: "conference", UpstreamType: "room_closed",
			},
			final: true,
		},
		{
			name: "a service that is away is tried again, after the time it asks for",
			err:  &minigroup.UpstreamError{Upstream: "event", Doing: "create event room", Status: 503, RetryAfter: 7 * time.Second},
			want: stored.Failure{
				Kind: minigroup.UpstreamUnavailable, Detail: "create event room: event is not available (503)",
				Upstream: "event",
			},
			after: 7 * time.Second,
		},
		{
			name: "the word of an error that is not refused does not make it final",
			err:  &minigroup.UpstreamError{Upstream: "conference", Doing: "close", Type: "room_closed"},
			want: stored.Failure{
				Kind: minigroup.UpstreamUnavailable, Detail: "close: conference is not available: room_closed",
				Upstream: "conference", UpstreamType: "room_closed",
			},
		},
		{
			name: "a request that may have been done is tried again, and its cause, which may name hosts, is not told",
			err:  &minigroup.UpstreamError{Upstream: "janus", Doing: "reserve", MaybeDone: true, Err: errors.New("dial 10.0.0.7: EOF")},
			want: stored.Failure{
				Kind: minigroup.UpstreamUnavailable, Detail: "reserve: janus is not available",
				Upstream: "janus",
			},
		},
		{
			name:  "what the ledger or the rules refuse is final",
			err:   minigroup.Errorf(minigroup.CapacityExceeded, "no gateway has %d slots", 8),
			want:  stored.Failure{Kind: minigroup.CapacityExceeded, Detail: "no gateway has 8 slots"},
			final: true,
		},
		{
			name: "a refusal keeps who refused",
			err:  fmt.Errorf("begin: %w", &minigroup.Error{Kind: minigroup.UpstreamRefused, Detail: "no", Upstream: "conference", UpstreamType: "room_not_found"}),
			want: stored.Failure{
				Kind: minigroup.UpstreamRefused, Detail: "no",
				Upstream: "conference", UpstreamType: "room_not_found",
			},
			final: true,
		},
		{
			name: "anything else is tried again, and its words stay inside",
			err:  errors.New("connect to postgres://user:secret@db: refused"),
			want: stored.Failure{Kind: minigroup.ServiceUnavailable, Detail: "a step failed: the database or this service is not available"},
		},
		{
			name: "so is a timeout of our own",
			err:  fmt.Errorf("begin create: %w", context.DeadlineExceeded),
			want: stored.Failure{Kind: minigroup.ServiceUnavailable, Detail: "a step failed: the database or this service is not available"},
		},
		{
			name: "of several errors that of the other service is told",
			err:  errors.Join(&minigroup.UpstreamError{Upstream: "janus", Doing: "reserve"}, errors.New("the ledger is away")),
			want: stored.Failure{
				Kind: minigroup.UpstreamUnavailable, Detail: "reserve: janus is not available",
				Upstream: "janus",
			},
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
