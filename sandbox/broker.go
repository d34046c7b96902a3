package sandbox

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// brokerEnds bounds the goodbye to the clients of a broker.
const brokerEnds = 5 * time.Second

// Broker is an MQTT broker within this process. Everybody may do everything on it, and what it keeps for clients that
// are away ends with it.
type Broker struct {
	address string
	close   func() error
}

// StartBroker returns a broker that listens on the address, host:port.
func StartBroker(address string) (*Broker, error) {
	capabilities := mqtt.NewDefaultServerCapabilities()
	// As many messages as can be told apart are kept for a client that is away or slow.
	capabilities.MaximumInflight = math.MaxUint16 - 1
	capabilities.MaximumClientWritesPending = math.MaxUint16
	server := mqtt.New(&mqtt.Options{Capabilities: capabilities, Logger: slog.New(slog.DiscardHandler)})
	if err := server.AddHook(new(everybody), nil); err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	listener := listeners.NewTCP(listeners.Config{ID: "tcp", Address: address})
	if err := server.AddListener(listener); err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	if err := server.Serve(); err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	return &Broker{address: listener.Address(), close: sync.OnceValue(func() error { return closeBroker(server) })}, nil
}

// Address returns where it listens, host:port.
func (b *Broker) Address() string { return b.address }

// URL returns its address as clients are given it.
func (b *Broker) URL() string { return "mqtt://" + b.address }

// Close ends the broker. Its clients are told.
func (b *Broker) Close() error { return b.close() }

// everybody may connect, publish and subscribe.
type everybody struct{ mqtt.HookBase }

// Provides names the questions that it answers.
func (*everybody) Provides(hook byte) bool {
	return hook == mqtt.OnConnectAuthenticate || hook == mqtt.OnACLCheck
}

// OnConnectAuthenticate lets everybody in.
func (*everybody) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }

// OnACLCheck lets everybody read and write every topic.
func (*everybody) OnACLCheck(*mqtt.Client, string, bool) bool { return true }

// closeBroker does not wait long for somebody who has connected and says nothing.
func closeBroker(server *mqtt.Server) error {
	closed := make(chan error, 1)
	go func() { closed <- server.Close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(brokerEnds):
		return errors.New("close broker: its clients do not hang up")
	}
}
