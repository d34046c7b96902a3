// Package httpapi is the REST API: it turns requests into the words of package minigroup, asks those who know (the
// database for reads, the sagas for writes), and turns what comes back into JSON. openapi.yaml describes it for callers.
//
// Every failure is a problem (RFC 9457) and every body but openapi.yaml is JSON. A request is checked in one order: its token, what it
// accepts, how much its account writes, its content type, its size, its body (every mistake at once), the minigroup it names,
// whether the account may do it, its conditions, and its idempotency key.
package httpapi
