package rest

import (
	"context"
	"net/http"
)

// Observer receives the beginning and the end of every call.
type Observer interface {
	// Begin is called before a call is sent. It returns the context to send the call with, and a function that is called
	// once when the call has ended, with the error that Do returns.
	Begin(ctx context.Context, upstream, doing string) (context.Context, func(error))
}

// Observed returns a transport that reports the calls of its clients to observer.
func Observed(transport http.RoundTripper, observer Observer) http.RoundTripper {
	return struct {
		http.RoundTripper
		Observer
	}{transport, observer}
}
