// Package sandbox has stand-ins for the services on which a minigroup depends: event, conference, and the Janus
// gateway. They answer over HTTP as the real services do, including their bugs, store the rooms that are created, and
// can be told to misbehave. Event and conference publish room events over MQTT.
//
// The stand-ins for event and conference have a database connection pool of a limited size (see Connection), which
// overload exhausts. Conference can deadlock on it, as the real one does: rooms stay that it has refused to create.
//
// The stand-ins for event and conference stop working on a request at any point when its client closes the
// connection, as the real services do: a room may then exist without a reply and without an event. The stand-in for
// Janus executes such a request to its end, as the real gateway does.
//
// Besides the routes of the real service each stand-in serves on the same listener:
//
//	GET    /sandbox/rooms[?classroom_id=…]  all rooms in the order of creation (see Room and JanusRoom)
//	GET    /sandbox/log                     all creates (see Creation); not for Janus
//	GET    /sandbox/pool                    the database connections (see pool.State); not for Janus
//	PUT    /sandbox/pool                    changes their number, {"connections": 4}, 0 = unlimited; not for Janus
//	GET    /sandbox/faults                  the faults, each with "id" and "remaining" (null = until removed)
//	PUT    /sandbox/faults                  replaces all faults by a JSON array (see Fault)
//	POST   /sandbox/faults                  adds a fault behind the others, which keep their counts: {"id": "…"}
//	DELETE /sandbox/faults                  removes all faults
//	DELETE /sandbox/faults/:id              removes one
//	POST   /sandbox/rooms/:id/close         conference only: closes the room without a request, ?timed_out=true or false
//
// Package sandboxclient is a client of these routes.
package sandbox
