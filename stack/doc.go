// Package stack starts and stops the parts of a whole system on one machine as child processes: Postgres, Temporal, a
// Janus gateway, an MQTT broker and the programs of this module. cmd/dev and tests use it; no production program links
// it.
//
// Each child leads a process group of its own. So a Ctrl-C in the terminal reaches only the parent, which then decides
// the order in which the children end. On Linux the kernel ends the children when the parent dies, even by SIGKILL.
package stack
