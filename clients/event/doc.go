// Package event is a client of the event service, as far as minigroups need it.
//
// Event makes a new room for every create and cannot list its rooms, so a create whose reply is lost leaves a room that
// cannot be found. It drops the work half-way when a client hangs up: a create's context should outlive the wish for
// its reply. The other calls may be repeated.
package event
