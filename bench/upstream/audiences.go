package upstream

// The audiences for which event behaves differently. For every other it responds after the delay.
const (
	// Usual is the audience for which event behaves as for others.
	Usual = "example.org"
	// FailsOnce receives a 503 from event for the first request of a class. The next one succeeds.
	FailsOnce = "fails-once.example.org"
	// Hangs receives no response from event, which holds no database connection meanwhile.
	Hangs = "hangs.example.org"
	// Away receives a 503 from event with a Retry-After of one hour.
	Away = "away.example.org"
)

// All returns all audiences.
func All() []string { return []string{Usual, FailsOnce, Hangs, Away} }
