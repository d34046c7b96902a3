package minigroup

// Cancellation is what came of a cancel.
type Cancellation struct {
	// Minigroup is what its row shows afterwards.
	Minigroup Minigroup
	// Run is the run that was cancelled, and Operation what it does: create, update, recreate or undo. Both are empty if
	// no run was open.
	Run       string
	Operation string
	// Ended says that no run is open any more, or that a later one is.
	Ended bool
}

// Decided reports whether nothing is in progress any more.
func (c Cancellation) Decided() bool {
	return c.Ended && (c.Minigroup.State == Ready || c.Minigroup.State == Failed)
}
