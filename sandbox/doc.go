// Package sandbox holds stand-ins for the services that a minigroup is made of: event, conference, and the Janus
// gateway. They answer over HTTP as the real services do, bugs and oddities included, keep what they were asked to make,
// and can be told to misbehave. Event and conference announce over MQTT what becomes of their rooms.
//
// The stand-ins for event and conference drop a request wherever it is when its client closes the connection, as the
// real services do: a room may then exist that was neither answered nor announced. The stand-in for Janus does the
// opposite, as the real gateway does: it carries out a request whose client is long gone.
//
// Beside the routes of the real service each stand-in serves, on the same listener:
//
//	GET    /sandbox/rooms[?classroom_id=…]  every room, in the order of creation (see Room and JanusRoom)
//	GET    /sandbox/log                     every create (see Creation); not for Janus
//	GET    /sandbox/faults                  the faults, each with "remaining" (null = until cleared)
//	PUT    /sandbox/faults                  replaces all faults by a JSON array (see Fault)
//	DELETE /sandbox/faults                  clears them
//	POST   /sandbox/rooms/:id/close         conference alone: closes a room by itself, ?timed_out=true or false
//
// Package sandboxclient is a client for these.
package sandbox
