// Package workflows says what happens, in which order: the sagas that create and update minigroups, undo what cannot be
// had, and close condemned rooms. The code is deterministic: it reads no clock, no environment and no map order. What
// may count is decided by the ledger, through activities; a workflow only drives.
package workflows
