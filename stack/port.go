package stack

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

// The range of FreePort is below the ports that systems choose for outgoing connections. Otherwise such a connection
// could take a port before the server listens on it, or while the server restarts.
const (
	lowestPort  = 20000
	highestPort = 32000
)

// returnedPorts are the ports that FreePort has returned. A server may not listen on its port yet.
var returnedPorts sync.Map

// FreePort returns a port of 127.0.0.1 on which no process listens now. It returns no port twice.
func FreePort() (int, error) {
	var err error
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort) //nolint:gosec // no secret
		if _, taken := returnedPorts.LoadOrStore(port, true); taken {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}

// CheckPort returns an error if a server cannot listen on addr (host:port). The error names the address, the server and
// the setting that changes the address.
func CheckPort(addr, server, setting string) error {
	// Some systems allow a process to listen on a loopback port although another listens on all addresses. A connection
	// shows whether one does.
	if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		_ = conn.Close()
		return fmt.Errorf("%s is needed for %s, but another process listens there: "+
			"stop it, or choose another address with %s", addr, server, setting)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%s is needed for %s, but cannot be used: choose another address with %s (%w)",
			addr, server, setting, err)
	}
	return listener.Close()
}
