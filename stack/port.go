package stack

import (
	"fmt"
	"net"
	"time"
)

// FreePort returns a TCP port of 127.0.0.1 that nothing listens on right now.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
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
