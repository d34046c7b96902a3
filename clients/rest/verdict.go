package rest

import "net/http"

// Verdict is what a reply other than 2xx says about its request.
type Verdict int

// The verdicts.
const (
	// Unknown: something may have been done, and another try may end differently.
	Unknown Verdict = iota
	// NotDone: nothing was done, and another try may end differently.
	NotDone
	// Refused: nothing was done, and another try ends the same way.
	Refused
)

// Verdicts holds the verdict on each error type that a service is known to answer.
// A nil Verdicts is that of a service whose errors come as 200: no other status decides anything.
type Verdicts map[string]Verdict

// of decides by the error type where there is one, because one status stands for lasting and passing troubles alike.
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
		// Without a type it comes from the framework around the service, which has not let the request in.
		if errorType == "" {
			return Refused
		}
	}
	return Unknown
}
