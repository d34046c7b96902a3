package mqtt

import (
	"bytes"

	"minigroups/minigroup"
)

// maxDisconnects is the number of consecutive disconnects at the same event after which it counts as poison.
const maxDisconnects = 5

// poisonDetector detects poison messages: events that make the broker disconnect each time they are published. Many
// brokers do so when a message is too large; without the detector the event would be published again forever.
type poisonDetector struct {
	last        minigroup.OutboxEvent
	disconnects int
}

// disconnectedAt counts a disconnect while e was published, and reports whether e is poison.
func (p *poisonDetector) disconnectedAt(e minigroup.OutboxEvent) bool {
	if e.Audience != p.last.Audience || e.Label != p.last.Label || !bytes.Equal(e.Payload, p.last.Payload) {
		p.last, p.disconnects = e, 0
	}
	p.disconnects++
	return p.disconnects >= maxDisconnects
}
