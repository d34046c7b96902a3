package mqtt

import (
	"bytes"

	"minigroups/minigroup"
)

// hangUps is how often in succession a broker may hang up on the same broadcast. Many do on one that is too large for
// them, and would do so for ever.
const hangUps = 5

// poison counts how often connections have ended while one and the same broadcast was told.
type poison struct {
	last  minigroup.OutboxEvent
	times int
}

// isFound notes that a connection has ended at a broadcast, and reports whether that one is to blame.
func (p *poison) isFound(b minigroup.OutboxEvent) bool {
	if b.Audience != p.last.Audience || b.Label != p.last.Label || !bytes.Equal(b.Payload, p.last.Payload) {
		p.last, p.times = b, 0
	}
	p.times++
	return p.times >= hangUps
}
