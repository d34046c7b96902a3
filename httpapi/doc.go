// Package httpapi is the REST API. It decodes requests into the types of package minigroup, reads minigroups from the
// database, starts the sagas for writes, and encodes the results as JSON. openapi.yaml describes the API for callers.
//
// Every failure is a problem (RFC 9457), and every body except openapi.yaml and the pages below /docs is JSON. A
// request is checked in this order: token, Accept header, rate limit of the account, content type, size, body (all
// errors are listed), existence of the minigroup, authorization, conditions, idempotency key, concurrent writes.
package httpapi
