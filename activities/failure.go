package activities

import (
	"errors"

	"go.temporal.io/sdk/temporal"

	"minigroups/minigroup"
	"minigroups/stored"
)

// Superseded is the error type of a step whose run no longer decides about its minigroup. The run ends and undoes
// nothing.
const Superseded = "superseded"

// toApplicationError decides what an error means to Temporal: a refusal is not retried, every other error is. The
// details of the returned error are a stored.Failure.
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
		return applicationError(err, true, stored.Failure{
			Kind: known.Kind, Detail: known.Detail, Upstream: known.Upstream, UpstreamType: known.UpstreamType,
		})
	}
	var upstream *minigroup.UpstreamError
	if errors.As(err, &upstream) {
		failure := stored.Failure{
			Kind: minigroup.UpstreamUnavailable, Detail: upstream.Public(),
			Upstream: upstream.Upstream, UpstreamType: upstream.Type,
		}
		if upstream.Refused {
			failure.Kind = minigroup.UpstreamRefused
		}
		return applicationError(err, upstream.Refused, failure)
	}
	return applicationError(err, false, stored.Failure{
		Kind: minigroup.ServiceUnavailable, Detail: "a step failed: the database or this service is not available",
	})
}

// asRetryable is toApplicationError for steps that must succeed eventually, such as those of an undo: even a refusal is
// retried. Only a superseded run ends.
func asRetryable(err error) error {
	err = toApplicationError(err)
	failure, final, superseded := FailureOf(err)
	if !final || superseded {
		return err
	}
	return applicationError(err, false, failure)
}

func applicationError(err error, final bool, failure stored.Failure) error {
	return temporal.NewApplicationErrorWithOptions(err.Error(), string(failure.Kind), temporal.ApplicationErrorOptions{
		NonRetryable: final, Details: []any{failure},
	})
}

// FailureOf returns why a step failed. final says that the step is not retried, superseded that the run no longer
// decides about its minigroup.
func FailureOf(err error) (failure stored.Failure, final, superseded bool) {
	var app *temporal.ApplicationError
	if !errors.As(err, &app) {
		detail := "a step failed"
		if temporal.IsTimeoutError(err) {
			detail = "a step timed out"
		}
		return stored.Failure{Kind: minigroup.UpstreamUnavailable, Detail: detail}, false, false
	}
	if app.Type() == Superseded {
		return stored.Failure{Kind: minigroup.ServiceUnavailable, Detail: app.Message()}, true, true
	}
	if app.HasDetails() && app.Details(&failure) == nil {
		return failure, app.NonRetryable(), false
	}
	return stored.Failure{Kind: minigroup.ServiceUnavailable, Detail: app.Message()}, app.NonRetryable(), false
}
