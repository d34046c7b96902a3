// Package workflows contains the sagas: which steps run, in which order, and how they are retried and undone. It also
// starts them and waits for their result. Workflow code is deterministic: it reads no clock, no environment and no map
// order. The ledger decides, through activities, which effects count; a workflow only drives.
package workflows
