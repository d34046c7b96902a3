package minigroup

// Outcome says how far a request to create or update has come when its answer is given.
type Outcome int

// The outcomes of a request.
const (
	// OutcomeDone means that the run which this request started or joined has finished the work.
	OutcomeDone Outcome = iota
	// OutcomeExisting means that the work was done before this request came.
	OutcomeExisting
	// OutcomeAccepted means that the work is still going on and will be finished or undone without the caller.
	OutcomeAccepted
)
