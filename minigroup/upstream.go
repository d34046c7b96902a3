package minigroup

import (
	"fmt"
	"time"
)

// UpstreamError is a failed call to another service. Clients return no other errors.
type UpstreamError struct {
	// Upstream is event, conference or janus. Doing is what was being done: "create event room".
	Upstream string
	Doing    string
	// Status is the HTTP status of the reply, or 0. Type is the service's own error type, and Detail its message; both may
	// be empty.
	Status int
	Type   string
	Detail string
	// Refused says that the same request would be refused again. All other errors are retryable.
	Refused bool
	// Unfit says that the fault is the service's and not the request's: its configuration or its software is wrong, so
	// that it answers every request like this. Such an error is not Refused.
	Unfit bool
	// MaybeDone says that the service may have executed the request, or may execute it later.
	MaybeDone bool
	// RetryAfter is how long the service asks to wait before the next request; 0 if it does not say.
	RetryAfter time.Duration
	// Waited is the timeout that ended the wait for an answer; 0 if none did.
	Waited time.Duration
	// Err is the cause; it may be nil.
	Err error
}

// Error describes the error to operators: what the other service answered, and the cause, which may name hosts.
func (e *UpstreamError) Error() string {
	text := e.Doing + ": " + e.Upstream
	switch {
	case e.Waited != 0:
		return text + " gave no answer within " + e.Waited.String()
	case e.Refused:
		text = e.Public()
	case e.Status != 0:
		text += fmt.Sprintf(" answered %d", e.Status)
		if e.Type != "" {
			text += " " + e.Type
		}
		if e.Detail != "" {
			text += ": " + e.Detail
		}
	case e.Err != nil:
		text += " gave no answer"
	case e.Detail != "":
		text += ": " + e.Detail
	default:
		return e.Public()
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Public describes the error to callers, without its cause.
func (e *UpstreamError) Public() string {
	text := e.Doing + ": " + e.Upstream
	if e.Refused {
		text += " refused"
	} else {
		text += " is not available"
	}
	if e.Type != "" {
		text += ": " + e.Type
	}
	if e.Status != 0 {
		text += fmt.Sprintf(" (%d)", e.Status)
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Overloaded reports whether the error is a sign that the service is overloaded or away, and not an answer about this
// one request.
func (e *UpstreamError) Overloaded() bool {
	switch {
	case e.Type == "database_connection_acquisition_failed": // event and conference, with status 422
		return true
	case e.Type == "authorization_failed": // the authorization service of one audience is away
		return false
	case e.Status == 0: // no answer, unless nothing was sent
		return !e.Refused
	default:
		return e.Status >= 500 || e.Status == 429
	}
}

func (e *UpstreamError) Unwrap() error { return e.Err }
