// Package stack starts and stops what a whole system on one machine is made
// of, as child processes: Postgres, the Temporal dev server, a Janus gateway, an
// MQTT broker and our own programs. It is for cmd/dev and for tests; no program
// of the product links it.
//
// Each child leads a process group of its own, so that a Ctrl-C in the terminal
// reaches us alone and the order of ending is ours. A child does not outlive
// us: on Linux the kernel ends it when we die, however we die.
package stack
