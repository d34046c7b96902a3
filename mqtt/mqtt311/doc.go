// Package mqtt311 lets an MQTT 5 client talk to a broker in MQTT 3.1.1. A packet of 3.1.1 is a packet of 5 without its
// properties and reason codes, so Conn rewrites the packets of both sides on their way. The client keeps its behaviour,
// and what 3.1.1 lacks has no effect:
//
//   - The broker, not the client, decides how long it keeps the session of a disconnected client.
//   - The broker's own limit bounds the messages that it delivers before it waits for an acknowledgement.
//   - A broker that does not accept a message either acknowledges it nevertheless or ends the connection.
package mqtt311
