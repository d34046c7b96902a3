// Package conference is a client of the conference service for the operations that minigroups need: create, read, patch
// and close a room.
//
// The rules were observed with foxford/conference at commit 1cace6c; sandbox/testdata/recorded holds the exchanges:
//   - Every create makes another room. Conference has no idempotency keys and no list of rooms, so the room of a create
//     whose reply is lost cannot be found.
//   - A create inserts the room and its default group on two database connections. If the second insert fails, the
//     reply is an error and the room stays.
//   - Conference drops a request when its client closes the connection, possibly between the insert and the reply. The
//     context of a create should therefore not end before the reply.
//   - Patching and closing may be repeated.
//   - A room without an end takes any time. Once it has an end, its start is fixed, and the end cannot be removed.
//   - A room that has not opened cannot be closed by POST /close, and not at all once it has an end.
//   - Replies are JSON with the Content-Type text/plain.
package conference
