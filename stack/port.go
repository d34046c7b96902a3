package stack

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

// The ports that FreePort gives lie below those that systems give to outgoing connections, so that none of these takes one
// before the server that it is for listens, or while that server is started again.
const (
	lowestPort  = 20000
	highestPort = 32000
)

// given are the ports that this process was given: whoever one is for may not listen there yet.
var given sync.Map

// FreePort returns a port of 127.0.0.1 on which nobody listens at this moment, and never the same twice.
func FreePort() (int, error) {
	var err error
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort) //nolint:gosec // it only has to be another one
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}

// CheckPort returns an error when addr (host:port) cannot be listened on. It
// names the address, what wants it, and the setting that changes it.
func CheckPort(addr, what, setting string) error {
	// On some systems a loopback port can be bound beside somebody who listens
	// on all addresses; who answers tells.
	if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		_ = conn.Close()
		return fmt.Errorf("%s is wanted for %s, but something else listens there: stop it, or choose another with %s", addr, what, setting)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%s is wanted for %s, but cannot be used: choose another with %s (%w)", addr, what, setting, err)
	}
	return listener.Close()
}
