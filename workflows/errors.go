package workflows

import (
	"context"
	"errors"
	"time"

	"minigroups/minigroup"
)

// inProgress is the error of a request that conflicts with an open run.
func inProgress(operation string) error {
	err := minigroup.Errorf(minigroup.OperationInProgress, "another %s of this minigroup is in progress", operation)
	err.RetryAfter = time.Second
	return err
}

// endedFromOutside is the error of a request whose run was ended, for example terminated, before it decided.
func endedFromOutside() error {
	err := minigroup.Errorf(minigroup.ServiceUnavailable,
		"the operation was ended from outside before it was decided; send the request again")
	err.RetryAfter = time.Second
	return err
}

// unavailable is the error of a request that could not reach a backend. Callers do not receive the cause, which may
// name hosts.
func unavailable(backend string, cause error) error {
	return unavailableWith(backend+" is unavailable; "+maybeStarted, cause)
}

// maybeStarted says what a caller can rely on after a request without an answer.
const maybeStarted = "the operation may have been started, in which case the same request joins it"

// temporalUnavailable is the error of a request that Temporal has not carried out. It tells whether Temporal cannot be
// reached, is busy, or refuses the request.
func temporalUnavailable(cause error) error {
	switch {
	case IsRefused(cause):
		return &unavailableError{
			public: minigroup.Errorf(minigroup.ServiceMisconfigured,
				"Temporal refuses the request, and repeating it does not help until an operator has removed the reason, "+
					"which is in the log; "+maybeStarted),
			cause: cause,
		}
	case isAway(cause):
		return unavailableWith("Temporal is out of reach; "+maybeStarted, cause)
	case errors.Is(cause, errNotSent):
		return unavailableWith("Temporal is busy; nothing was started, and the same request may be sent again", cause)
	case isBusy(cause), errors.Is(cause, context.Canceled):
		return unavailableWith("Temporal is busy; "+maybeStarted, cause)
	default:
		return unavailable("Temporal", cause)
	}
}

// unavailableWith is the error of a request that may succeed a little later.
func unavailableWith(detail string, cause error) error {
	return &unavailableError{
		public: &minigroup.Error{Kind: minigroup.ServiceUnavailable, Detail: detail, RetryAfter: 2 * time.Second},
		cause:  cause,
	}
}

// unavailableError is a *minigroup.Error for callers, with its cause for the log.
type unavailableError struct {
	public *minigroup.Error
	cause  error
}

func (e *unavailableError) Error() string { return e.public.Error() + ": " + e.cause.Error() }

func (e *unavailableError) Unwrap() []error { return []error{e.public, e.cause} }

// isUnknown reports whether there is no such minigroup, or no such update.
func isUnknown(err error) bool {
	var e *minigroup.Error
	return errors.As(err, &e) && e.Kind == minigroup.ClassNotFound
}
