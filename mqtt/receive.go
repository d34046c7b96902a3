package mqtt

import (
	"errors"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"
	"go.uber.org/zap"
)

// heard is a message that waits to be taken and acknowledged.
type received struct {
	announcement
	id   uint16
	qos  byte
	over *state.State // the connection that it came over
}

// acknowledge lets the broker forget a message. If the connection is gone it does nothing: then the message comes again.
func (h received) acknowledge() {
	if h.qos > 0 {
		_ = h.over.Ack(&packets.Publish{PacketID: h.id, QoS: h.qos})
	}
}

// hear queues a message. It never blocks: the broker's answers to pings wait behind it.
func (c *connection) hear(p *paho.Publish) {
	a, err := accounts{event: c.Event, conference: c.Conference}.parse(p.Topic, p.Payload, p.Properties.User)
	if err != nil {
		c.drop(err, p)
	} else {
		c.Observer.Received(a.label, lag(a.sentAt, time.Now()))
	}
	// What was published without a promise to deliver it (QoS 0) comes in any number, and gets no more room than the rest.
	if p.QoS == 0 && len(c.queue) >= receiveMaximum {
		c.drop(errFlood, p)
		return
	}
	select {
	case c.queue <- received{a, p.PacketID, p.QoS, c.session}:
	default: // what is not kept must not be acknowledged either: it comes again over the next connection
		c.drop(errFlood, p)
		c.end(errors.New("more is announced than can be kept while the ledger does not take it"))
	}
}

// drop tells that a message cannot be read, but nothing of what it says: that may be about persons.
func (c *connection) drop(reason error, p *paho.Publish) {
	c.Observer.Dropped(reason.Error())
	c.Log.Debug("an announcement is dropped", zap.String("reason", reason.Error()),
		zap.Int("topic_length", len(p.Topic)), zap.Int("payload_length", len(p.Payload)))
}

// lag is how long ago an announcement was sent, by two clocks that may differ.
func lag(sentAt, now time.Time) time.Duration {
	if sentAt.IsZero() {
		return 0
	}
	return max(now.Sub(sentAt), 0)
}
