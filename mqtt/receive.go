package mqtt

import (
	"errors"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"
	"go.uber.org/zap"
)

// message is a received message that waits to be recorded and acknowledged.
type message struct {
	event
	packetID uint16
	qos      byte
	session  *state.State // of the connection that delivered it
}

// acknowledge sends the acknowledgement. It has no effect after the connection has ended: then the broker redelivers
// the message over the next one.
func (m message) acknowledge() {
	if m.qos > 0 {
		_ = m.session.Ack(&packets.Publish{PacketID: m.packetID, QoS: m.qos})
	}
}

// receive queues a message. It never blocks, because the library would not handle the broker's ping responses
// meanwhile. It queues dropped messages too, as events without content, so that they are acknowledged in order.
func (c *connection) receive(p *paho.Publish) {
	e, err := accounts{event: c.Event, conference: c.Conference}.parse(p.Topic, p.Payload, p.Properties.User)
	if err != nil {
		c.drop(err, p)
	} else {
		c.Observer.Received(e.label, lag(e.publishedAt, time.Now()))
	}
	// receiveMaximum does not limit QoS 0, so it is limited here: these messages must not take the queue's space from
	// messages of QoS 1.
	if p.QoS == 0 && len(c.queue) >= receiveMaximum {
		c.drop(errOverflow, p)
		return
	}
	select {
	case c.queue <- message{event: e, packetID: p.PacketID, qos: p.QoS, session: c.session}:
	default:
		// A message that is not queued must not be acknowledged. Ending the connection makes the broker redeliver it.
		c.drop(errOverflow, p)
		c.end(errors.New("the queue of unrecorded events is full"))
	}
}

// drop counts and logs a dropped message without its content, which may be personal data.
func (c *connection) drop(reason error, p *paho.Publish) {
	c.Observer.Dropped(reason.Error())
	c.Log.Debug("message dropped", zap.String("reason", reason.Error()),
		zap.Int("topic_length", len(p.Topic)), zap.Int("payload_length", len(p.Payload)))
}

// lag returns the time since an event was published. It returns 0 if publishedAt is zero or, by a clock ahead of ours,
// in the future.
func lag(publishedAt, now time.Time) time.Duration {
	if publishedAt.IsZero() {
		return 0
	}
	return max(now.Sub(publishedAt), 0)
}
