// Package janus reserves slots on Janus gateways: a reservation is a VideoRoom with as many publishers, named by the
// reservation's id, made and removed over the Admin API without a session.
//
// The room's secret is derived from its id, so whoever can edit or destroy it has made it. The gateway keeps rooms in
// memory only, and carries out a request even when its client is gone, sometimes after a later one was answered: what is
// MaybeDone has to be looked at again.
package janus
