package upstream

// The audiences for which event behaves in a way of its own. Any other is answered after the delay.
const (
	// Usual is the audience of all that is measured where nothing else is said.
	Usual = "example.org"
	// FailsOnce is told 503 by event at the first request for a class; the next one is answered.
	FailsOnce = "fails-once.example.org"
	// Hangs gets no answer from event until it hangs up.
	Hangs = "hangs.example.org"
	// Away is told by event to come back in an hour.
	Away = "away.example.org"
)

// All lists every audience.
func All() []string { return []string{Usual, FailsOnce, Hangs, Away} }
