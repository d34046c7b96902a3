// Package rest sends a JSON request to another service and reads the JSON reply. Every failure is returned as a
// *minigroup.UpstreamError.
//
// A call is sent once: the package never repeats a request and follows no redirect. The caller's context is the only
// time limit. Replies are read up to a size limit. The Content-Type of a reply is ignored, because conference sends its
// JSON as text/plain.
package rest
