// Package clientstest holds the tests that the clients of event and conference share. They run against the stand-ins of
// package sandbox and check how a client classifies refusals, faults, invalid replies and cancelled creates, and which
// rooms exist afterwards.
//
// A package describes its service once, as a Service, and calls the tests. For tests of its own it starts a StandIn.
package clientstest
