package minigroup

import (
	"fmt"
	"strings"
	"time"
)

// Kind is the stable word for a kind of failure. Clients match on it, so a word never changes its meaning.
type Kind string

// The kinds of failure.
const (
	InvalidPayload          Kind = "invalid_payload"
	NoAuthenticationToken   Kind = "no_authentication_token"
	InvalidAuthentication   Kind = "invalid_authentication"
	AccessDenied            Kind = "access_denied"
	AuthorizationFailed     Kind = "authorization_failed"
	ClassNotFound           Kind = "class_not_found"
	ClassPropertyNotFound   Kind = "class_property_not_found"
	AccountPropertyNotFound Kind = "account_property_not_found"
	RouteNotFound           Kind = "route_not_found"
	MethodNotAllowed        Kind = "method_not_allowed"
	NotAcceptable           Kind = "not_acceptable"
	AlreadyEstablished      Kind = "class_already_established"
	IdempotencyKeyReused    Kind = "idempotency_key_reused"
	OperationInProgress     Kind = "operation_in_progress"
	PreconditionFailed      Kind = "precondition_failed"
	NotReady                Kind = "minigroup_not_ready"
	Closed                  Kind = "minigroup_closed"
	NotClosed               Kind = "minigroup_not_closed"
	RetryNotPossible        Kind = "retry_not_possible"
	PayloadTooLarge         Kind = "payload_too_large"
	UnsupportedMediaType    Kind = "unsupported_media_type"
	UpstreamRefused         Kind = "upstream_refused"
	UpstreamUnavailable     Kind = "upstream_unavailable"
	RoomTimeChangeForbidden Kind = "room_time_changing_forbidden"
	CapacityExceeded        Kind = "capacity_exceeded"
	OperationCancelled      Kind = "operation_cancelled"
	TooManyRequests         Kind = "too_many_requests"
	ServiceUnavailable      Kind = "service_unavailable"
	ServiceMisconfigured    Kind = "service_misconfigured"
)

// FieldError is one mistake in a request: the field, and what is expected there.
type FieldError struct {
	Field  string
	Detail string
}

// Error is a failure with a kind for programs and a detail for people.
type Error struct {
	Kind   Kind
	Detail string
	// Fields lists every mistake of an invalid request.
	Fields []FieldError
	// Upstream is the other service that refused or failed, and UpstreamType its own error type; empty otherwise.
	Upstream     string
	UpstreamType string
	// RetryAfter is how long to wait before another attempt, which may then succeed; 0 if unknown.
	RetryAfter time.Duration
}

// Errorf returns an error of this kind with a formatted detail.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// Invalid returns the error for a request with these mistakes.
func Invalid(fields []FieldError) *Error {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Field
	}
	return &Error{Kind: InvalidPayload, Detail: "invalid fields: " + strings.Join(names, ", "), Fields: fields}
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return string(e.Kind)
	}
	return string(e.Kind) + ": " + e.Detail
}

// Failure is why a saga failed. It is stored and shown to callers.
type Failure struct {
	Kind         Kind
	Detail       string
	Upstream     string
	UpstreamType string
	FailedAt     time.Time
}

// AsError returns the failure as the error that callers receive.
func (f Failure) AsError() *Error {
	return &Error{Kind: f.Kind, Detail: f.Detail, Upstream: f.Upstream, UpstreamType: f.UpstreamType}
}
