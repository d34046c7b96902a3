// Package harness has what the whole systems under test share: processes that can be killed, restarted and frozen, a
// log of the faults that were injected, and the keys by which the service and its stand-ins authenticate each other.
package harness
