package minigroup

// Outcome is how far a create or an update has come when its caller is answered.
type Outcome int

// The outcomes of a request.
const (
	// OutcomeDone means that the run which the request started or joined has completed.
	OutcomeDone Outcome = iota
	// OutcomeExisting means that the minigroup existed before the request.
	OutcomeExisting
	// OutcomeAccepted means that the run continues and will complete or be undone without the caller.
	OutcomeAccepted
)
