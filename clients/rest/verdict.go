package rest

import "net/http"

// Verdict classifies a reply other than 2xx.
type Verdict int

// The verdicts.
const (
	// Unknown means that the request may have taken effect, and that another attempt may succeed.
	Unknown Verdict = iota
	// NotDone means that the request took no effect, and that another attempt may succeed.
	NotDone
	// Refused means that the request took no effect, and that another attempt fails the same way.
	Refused
)

// Verdicts maps the error types of a service to verdicts. A nil Verdicts belongs to a service that reports its errors
// with status 200; every other status is then Unknown.
type Verdicts map[string]Verdict

// of classifies by the error type first, because event and conference use the same statuses for permanent and transient
// errors.
func (v Verdicts) of(status int, errorType string) Verdict {
	if v == nil {
		return Unknown
	}
	if verdict, known := v[errorType]; known {
		return verdict
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return Refused
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		// A reply without a type comes from the web framework, which rejected the request before any handler ran.
		if errorType == "" {
			return Refused
		}
	}
	return Unknown
}
