package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"minigroups/minigroup"
)

// Ledger stores received room events, and the outbox of events to publish. Its methods return when ctx ends.
type Ledger interface {
	// RecordRoomEvents commits the events that belong to a class of this service and ignores all others. Recording an
	// event twice has no further effect. It returns how many classes the events ended: each has an event in the outbox.
	RecordRoomEvents(ctx context.Context, events minigroup.RoomEvents) (ended int, err error)
	// ClaimOutbox returns up to limit events of the outbox, the oldest first. Other callers do not receive them until the
	// lease is over.
	ClaimOutbox(ctx context.Context, limit int, lease time.Duration) ([]minigroup.OutboxEvent, error)
	// SettleOutbox removes the published events, and lets callers receive the refused ones after the pause and the
	// unpublished ones at once.
	SettleOutbox(ctx context.Context, outcome minigroup.OutboxOutcome, pause time.Duration) error
}

// Observer counts what happens. It is called from several goroutines and must not block.
type Observer interface {
	// Connected is called with true after subscribing to the broker, and with false when that connection ends.
	Connected(bool)
	// Received is called for each event that could be parsed. label is room.create, room.update, room.close or other; lag
	// is the time since the event was published, 0 if unknown.
	Received(label string, lag time.Duration)
	// Dropped is called for each dropped message. reason is unknown_topic, malformed or overflow.
	Dropped(reason string)
	// Published is called for each event that the broker acknowledged.
	Published(label string)
}

// Protocol is a version of MQTT. It also says in which form this service publishes its events.
type Protocol string

const (
	// Protocol311 is MQTT 3.1.1, in which the services of the platform talk to its gateway. An event is an envelope: a
	// JSON object with the payload as a string, and with the properties.
	Protocol311 Protocol = "3.1.1"
	// Protocol5 is MQTT 5. An event is the payload, and the properties are user properties of the message.
	Protocol5 Protocol = "5"
)

// Options configure Run.
type Options struct {
	// Broker is mqtt://host:port, or mqtts://host:port for TLS.
	Broker *url.URL
	// TLS is used for mqtts; nil uses the default configuration with the root certificates of the system.
	TLS      *tls.Config
	Protocol Protocol
	// Label tells this process from others of the account. The client id is the agent id: the label, a dot, the account.
	// It identifies the session that the broker keeps for the process, so the label must be unique among running
	// processes and stay the same after a restart.
	Label string
	// Group is the name of a shared subscription, which delivers each event to one of its workers. If it is empty, each
	// worker receives all events.
	Group string
	// Session is how long the broker keeps the session of a disconnected process, at least 1s. It has no effect in MQTT
	// 3.1.1, where the broker decides.
	Session time.Duration
	// Account is the account id of this service, as which it publishes.
	Account string
	// Event and Conference are the account ids of the services whose events are received.
	Event, Conference string
	// Audiences lists the audiences to subscribe to; empty subscribes to all.
	Audiences []string
	// Token returns the password. It is called for each connection.
	Token    func() (string, error)
	Ledger   Ledger
	Observer Observer
	Log      *zap.Logger
}

// check returns an error for options with which Run could never work.
func (o Options) check() error {
	switch {
	case o.Broker == nil || o.Broker.Hostname() == "" || o.Broker.Scheme != "mqtt" && o.Broker.Scheme != "mqtts":
		return errors.New("the broker must be mqtt://host:port or mqtts://host:port")
	case o.Protocol != Protocol311 && o.Protocol != Protocol5:
		return fmt.Errorf("the protocol %q is neither %s nor %s", o.Protocol, Protocol311, Protocol5)
	case !isLevel(o.Label) || strings.Contains(o.Label, "."):
		return fmt.Errorf("the agent label %q is empty or contains one of . / + #", o.Label)
	case o.Session < time.Second || o.Session > math.MaxUint32*time.Second:
		return fmt.Errorf("the session expiry %v is out of range", o.Session)
	case o.Event == o.Conference:
		return errors.New("event and conference have the same account")
	}
	for _, level := range append([]string{o.Account, o.Event, o.Conference}, o.Audiences...) {
		if !isLevel(level) {
			return fmt.Errorf("%q is not a valid topic level", level)
		}
	}
	if o.Group != "" && !isLevel(o.Group) {
		return fmt.Errorf("the group %q is not a valid topic level", o.Group)
	}
	return nil
}

// clientID returns the agent id of this process. The platform's gateway accepts no other client id.
func (o Options) clientID() string { return o.Label + "." + o.Account }

// inFlight returns how many messages the broker delivers at least before it waits for an acknowledgement.
func (o Options) inFlight() int {
	if o.Protocol == Protocol311 {
		return defaultInFlight
	}
	return receiveMaximum
}
