package stack

import (
	"context"
	"fmt"
	"net"
	"time"
)

const brokerStartTimeout = 20 * time.Second

// BrokerOptions says which MQTT broker to start.
type BrokerOptions struct {
	// Binary is the path that BuildBroker returned.
	Binary string
	// Address to listen on, host:port.
	Address string
	// Log is the file to which its output is appended.
	Log string
}

// StartBroker starts the MQTT broker of make run, which needs no installed package, and returns when it accepts
// connections. Every client may publish and subscribe everywhere. It keeps sessions and messages in memory only; a test
// in which they must survive a restart of the broker needs mosquitto.
func StartBroker(ctx context.Context, options BrokerOptions) (*Process, error) {
	// It also serves WebSockets and its own statistics, which no option turns off: on free ports of loopback.
	args := []string{"-tcp", options.Address, "-ws", "127.0.0.1:0", "-info", "127.0.0.1:0"}
	server := spec{name: "MQTT broker", path: options.Binary, args: args, log: options.Log}
	return startListener(ctx, server, options.Address, brokerStartTimeout)
}

// startListener starts a process and returns when the address accepts connections. It returns an error if another
// process already listens there, which would pass for the new one.
func startListener(ctx context.Context, s spec, address string, limit time.Duration) (*Process, error) {
	if err := CheckPort(address, s.name, "another port"); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	process, err := start(ctx, s)
	if err != nil {
		return nil, err
	}
	return process, process.Await(ctx, limit, func(context.Context) error {
		conn, err := net.DialTimeout("tcp", address, probeTimeout)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}
