// Package clientstest tests what the clients of event and conference have in common, against the sandbox: how creates,
// faults, odd replies and hanging up are told, and which rooms they leave.
//
// A package describes its service once, as a Service, and calls the tests. For tests of its own it takes a StandIn.
package clientstest
