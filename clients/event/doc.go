// Package event is a client of the event service for the operations that minigroups need: create, lock and close a
// room, and create events in it.
//
// The rules were observed with foxford/event at commit 0b17127; sandbox/testdata/recorded holds the exchanges:
//   - Every create makes another room. Event has no idempotency keys and no list of rooms, so the room of a create
//     whose reply is lost cannot be found.
//   - Event drops a request when its client closes the connection, possibly between the insert and the reply. The
//     context of a create should therefore not end before the reply.
//   - Locking and closing may be repeated. So may CreateWhiteboard, but not CreateEvent.
//   - Event may read a room from a replica, so room_not_found may follow a successful create.
//   - One status stands for permanent and transient errors (422), so errors are classified by their type.
package event
