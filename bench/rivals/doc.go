// Package rivals has alternatives to the product's sagas: other ways to execute the five steps of a create. Each
// writes a row, creates an event room, a conference room and a Janus room, and updates the row; the request waits
// until then. Everything else is the product's own code, so that only the ways are compared: the HTTP API with its
// tokens, the clients of the upstreams and the connection pool.
package rivals
