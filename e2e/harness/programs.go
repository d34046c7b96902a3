package harness

import (
	"context"
	"net"
	"path/filepath"
	"strconv"

	"minigroups/stack"
)

// Migrate runs the program migrate from the folder bin and waits until it has ended.
func Migrate(ctx context.Context, bin, configFile, log string) error {
	args := []string{"-config", configFile}
	migrate, err := stack.StartBinary(ctx, "migrate", filepath.Join(bin, "migrate"), args, nil, log)
	if err != nil {
		return err
	}
	return migrate.Wait(ctx)
}

// FreeAddress returns an address of 127.0.0.1 with a port that is not in use.
func FreeAddress() (string, error) {
	port, err := stack.FreePort()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), err
}

// NopLogger discards the log of the Temporal SDK.
type NopLogger struct{}

// Debug does nothing.
func (NopLogger) Debug(string, ...any) {}

// Info does nothing.
func (NopLogger) Info(string, ...any) {}

// Warn does nothing.
func (NopLogger) Warn(string, ...any) {}

// Error does nothing.
func (NopLogger) Error(string, ...any) {}
