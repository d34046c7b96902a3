package activities

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"

	"minigroups/minigroup"
)

// Superseded is the error type of a step whose run has no say any more: the run ends and undoes nothing.
const Superseded = "superseded"

// failed is the only place where an error becomes Temporal behaviour. A refusal is not retried; everything else is, after
// the time that the other service asked for. What happened travels as a Failure in the details.
func toApplicationError(err error) error {
	if err == nil {
		return nil
	}
	var superseded *minigroup.SupersededError
	if errors.As(err, &superseded) {
		return temporal.NewNonRetryableApplicationError(err.Error(), Superseded, nil)
	}
	var known *minigroup.Error
	if errors.As(err, &known) {
		return applicationError(err, true, known.RetryAfter, Failure{known.Kind, known.Detail, known.Upstream, known.UpstreamType})
	}
	var upstream *minigroup.UpstreamError
	if errors.As(err, &upstream) {
		failure := Failure{minigroup.UpstreamUnavailable, upstream.Public(), upstream.Upstream, upstream.Type}
		if upstream.Refused {
			failure.Kind = minigroup.UpstreamRefused
		}
		return applicationError(err, upstream.Refused, upstream.RetryAfter, failure)
	}
	return applicationError(err, false, 0, Failure{Kind: minigroup.ServiceUnavailable, Detail: "a step could not be carried out: the database or this service is not well"})
}

// insisted is failed for steps that must come to an end, such as those of an undo: who is refused today asks again. Only a
// run that has no say any more stops.
func asRetryable(err error) error {
	err = toApplicationError(err)
	failure, final, superseded := FailureOf(err)
	if !final || superseded {
		return err
	}
	return applicationError(err, false, 0, failure)
}

func applicationError(err error, final bool, retryAfter time.Duration, failure Failure) error {
	return temporal.NewApplicationErrorWithOptions(err.Error(), string(failure.Kind), temporal.ApplicationErrorOptions{
		NonRetryable: final, NextRetryDelay: retryAfter, Details: []any{failure},
	})
}

// later is a retryable failure that shall be tried again after the given time.
func later(after time.Duration, err *minigroup.UpstreamError) error {
	err.RetryAfter = after
	return err
}

// FailureOf tells why a step failed. final reports that trying again is of no use; superseded that the run has no say any more.
func FailureOf(err error) (failure Failure, final, superseded bool) {
	var app *temporal.ApplicationError
	if !errors.As(err, &app) {
		detail := "a step could not be carried out"
		if temporal.IsTimeoutError(err) {
			detail = "a step did not end in time"
		}
		return Failure{Kind: minigroup.UpstreamUnavailable, Detail: detail}, false, false
	}
	if app.Type() == Superseded {
		return Failure{Kind: minigroup.ServiceUnavailable, Detail: app.Message()}, true, true
	}
	if app.HasDetails() && app.Details(&failure) == nil {
		return failure, app.NonRetryable(), false
	}
	return Failure{Kind: minigroup.ServiceUnavailable, Detail: app.Message()}, app.NonRetryable(), false
}
