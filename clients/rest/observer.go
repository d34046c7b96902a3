package rest

import (
	"context"
	"net/http"
)

// Observer is told of the calls that clients make.
type Observer interface {
	// Begin is told of a call before it is made. It returns the context to make it in, and what is to be told of its end: nil,
	// or the error that the caller gets.
	Begin(ctx context.Context, upstream, doing string) (context.Context, func(error))
}

// Observed returns a transport of whose calls the observer is told.
func Observed(transport http.RoundTripper, observer Observer) http.RoundTripper {
	return struct {
		http.RoundTripper
		Observer
	}{transport, observer}
}
