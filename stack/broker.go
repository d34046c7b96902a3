package stack

import (
	"context"
	"fmt"
	"net"
	"time"
)

const brokerStart = 20 * time.Second

// BrokerOptions says which MQTT broker to start.
type BrokerOptions struct {
	// Binary is what BuildBroker has built.
	Binary string
	// Address to listen on, host:port.
	Address string
	// Log is the file that gets what it prints.
	Log string
}

// StartBroker starts the MQTT broker of make run, which needs no package of the system, and returns when it listens. Every
// client may publish and subscribe to everything. It keeps sessions and messages in memory only; what must survive a
// restart of the broker needs mosquitto.
func StartBroker(ctx context.Context, options BrokerOptions) (*Process, error) {
	// It serves WebSockets and its own statistics too and cannot be stopped from doing so: on any free port of loopback.
	args := []string{"-tcp", options.Address, "-ws", "127.0.0.1:0", "-info", "127.0.0.1:0"}
	return startListener(ctx, spec{name: "MQTT broker", path: options.Binary, args: args, log: options.Log}, options.Address, brokerStart)
}

// startListener starts a process and returns when the address takes connections. If another process listens there
// already, it fails: that one would be taken for ours.
func startListener(ctx context.Context, s spec, address string, limit time.Duration) (*Process, error) {
	if err := CheckPort(address, s.name, "another port"); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	process, err := start(ctx, s)
	if err != nil {
		return nil, err
	}
	return process, process.Await(ctx, limit, func(context.Context) error {
		conn, err := net.DialTimeout("tcp", address, answerWithin)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}
