// Package rest sends JSON to another service and reads the JSON that comes back: once, within the caller's context, and
// with every way in which it can go wrong told as a *minigroup.UpstreamError.
//
// It never sends a request a second time by itself, follows no redirect, and reads no more of a reply than fits. It does
// not look at the Content-Type of replies: conference sends its JSON as text/plain.
package rest
