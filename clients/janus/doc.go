// Package janus reserves slots on Janus gateways. A reservation is a VideoRoom whose name is the reservation's id and
// whose number of publishers is the number of slots. Rooms are created and destroyed over the Admin API, without a
// session.
//
// The rules were observed with Janus 1.1.2 and its VideoRoom plugin 0.0.9; the tests run against that gateway:
//   - Every error of the gateway or the plugin has status 200 and a code, which becomes the error's Type.
//   - A gateway that does not know this service's secrets, or whose ids of rooms are numbers, answers every request
//     with such an error. It is Unfit, and so is whatever answers in another form.
//   - A room's secret, derived here from its id, is required to edit or destroy it. A gateway that accepts the secret
//     therefore has a room that this service created.
//   - Rooms are kept in memory only; a restarted gateway has none.
//   - The gateway executes a request even after its client has closed the connection, possibly after a later request
//     was answered. A room may therefore appear after a call that was MaybeDone and a Release that found no room.
package janus
