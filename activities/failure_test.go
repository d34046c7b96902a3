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

// overTheWire returns an error as a workflow receives it.
func overTheWire(err error) error {
	c := temporal.GetDefaultFailureConverter()
	return c.FailureToError(c.ErrorToFailure(err))
}

func TestToApplicationError(t *testing.T) {
	unavailable := stored.Failure{
		Kind: minigroup.ServiceUnavailable, Detail: "a step failed: the database or this service is not available",
	}
	for _, c := range []struct {
		name  string
		err   error
		want  stored.Failure
		final bool
	}{
		{
			name: "a refusal of another service is final",
			err: &minigroup.UpstreamError{
				Upstream: "conference", Doing: "create conference room", Status: 403, Type: "access_denied", Detail: "no",
				Refused: true,
			},
			want: stored.Failure{
				Kind: minigroup.UpstreamRefused, Detail: "create conference room: conference refused: access_denied (403): no",
				Upstream: "conference", UpstreamType: "access_denied",
			},
			final: true,
		},
		{
			name: "a refusal to move a room has its own kind",
			err: patchRefusal(&minigroup.UpstreamError{
				Upstream: "conference", Doing: "update", Type: "room_time_changing_forbidden", Refused: true,
			}),
			want: stored.Failure{
				Kind: minigroup.RoomTimeChangeForbidden, Detail: "update: conference refused: room_time_changing_forbidden",
				Upstream: "conference", UpstreamType: "room_time_changing_forbidden",
			},
			final: true,
		},
		{
			name: "a refusal to change a closed room has its own kind",
			err: patchRefusal(&minigroup.UpstreamError{
				Upstream: "conference", Doing: "update", Type: "room_closed", Refused: true,
			}),
			want: stored.Failure{
				Kind: minigroup.Closed, Detail: "update: conference refused: room_closed",
				Upstream: "conference", UpstreamType: "room_closed",
			},
			final: true,
		},
		{
			name: "an unavailable service is retried after the pause of the retry phase, whatever it asks for",
			err: &minigroup.UpstreamError{
				Upstream: "event", Doing: "create event room", Status: 503, RetryAfter: 7 * time.Second,
			},
			want: stored.Failure{
				Kind: minigroup.UpstreamUnavailable, Detail: "create event room: event is not available (503)",
				Upstream: "event",
			},
		},
		{
			name: "the type of an error that is no refusal does not make it final",
			err:  &minigroup.UpstreamError{Upstream: "conference", Doing: "close", Type: "room_closed"},
			want: stored.Failure{
				Kind: minigroup.UpstreamUnavailable, Detail: "close: conference is not available: room_closed",
				Upstream: "conference", UpstreamType: "room_closed",
			},
		},
		{
			name: "a request that may have been executed is retried, and its cause, which may name hosts, is not in the detail",
			err: &minigroup.UpstreamError{
				Upstream: "janus", Doing: "reserve", MaybeDone: true, Err: errors.New("dial 10.0.0.7: EOF"),
			},
			want: stored.Failure{
				Kind: minigroup.UpstreamUnavailable, Detail: "reserve: janus is not available", Upstream: "janus",
			},
		},
		{
			name:  "a refusal of the ledger is final",
			err:   minigroup.Errorf(minigroup.CapacityExceeded, "no gateway has %d slots", 8),
			want:  stored.Failure{Kind: minigroup.CapacityExceeded, Detail: "no gateway has 8 slots"},
			final: true,
		},
		{
			name: "a refusal keeps the service that refused",
			err: fmt.Errorf("begin: %w", &minigroup.Error{
				Kind: minigroup.UpstreamRefused, Detail: "no", Upstream: "conference", UpstreamType: "room_not_found",
			}),
			want: stored.Failure{
				Kind: minigroup.UpstreamRefused, Detail: "no",
				Upstream: "conference", UpstreamType: "room_not_found",
			},
			final: true,
		},
		{
			name: "any other error is retried, and its message is not in the detail",
			err:  errors.New("connect to postgres://user:secret@db: refused"),
			want: unavailable,
		},
		{
			name: "a timeout on our side is retried",
			err:  fmt.Errorf("begin create: %w", context.DeadlineExceeded),
			want: unavailable,
		},
		{
			name: "of joined errors, the detail is that of the other service",
			err: errors.Join(
				&minigroup.UpstreamError{Upstream: "janus", Doing: "reserve"}, errors.New("the ledger is unavailable")),
			want: stored.Failure{
				Kind: minigroup.UpstreamUnavailable, Detail: "reserve: janus is not available", Upstream: "janus",
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
			if !errors.As(err, &app) || app.Type() != string(c.want.Kind) || app.NextRetryDelay() != 0 {
				t.Errorf("got %#v", app)
			}
		})
	}
	t.Run("nil stays nil", func(t *testing.T) {
		if err := toApplicationError(nil); err != nil {
			t.Error(err)
		}
	})
	t.Run("superseded takes precedence over joined errors", func(t *testing.T) {
		err := errors.Join(
			minigroup.Supersededf("the minigroup belongs to run %s", "run-2"), &minigroup.UpstreamError{Upstream: "janus"})
		failure, final, superseded := FailureOf(overTheWire(toApplicationError(err)))
		if !final || !superseded || !strings.Contains(failure.Detail, "run-2") {
			t.Errorf("got %+v, final %t, superseded %t", failure, final, superseded)
		}
	})
	t.Run("a step whose worker has died is retried", func(t *testing.T) {
		failure, final, superseded := FailureOf(context.DeadlineExceeded)
		if failure.Kind != minigroup.UpstreamUnavailable || final || superseded {
			t.Errorf("got %+v, final %t, superseded %t", failure, final, superseded)
		}
	})
	t.Run("an application error without details keeps its message", func(t *testing.T) {
		err := temporal.NewNonRetryableApplicationError("out of paper", "printer", nil)
		failure, final, _ := FailureOf(overTheWire(err))
		if failure.Kind != minigroup.ServiceUnavailable || failure.Detail != "out of paper" || !final {
			t.Errorf("got %+v, final %t", failure, final)
		}
	})
}
