package workflows

import (
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
	return &unavailableError{
		public: &minigroup.Error{
			Kind: minigroup.ServiceUnavailable,
			Detail: backend + " is unavailable; the operation may have been started, in which case the same request " +
				"joins it",
			RetryAfter: 2 * time.Second,
		},
		cause: cause,
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
