package harness

import (
	"context"
	"net"
	"path/filepath"
	"strconv"

	"minigroups/stack"
)

// Migrate runs the program migrate, of those in the folder bin, to its end.
func Migrate(ctx context.Context, bin, configFile, log string) error {
	migrate, err := stack.StartBinary(ctx, "migrate", filepath.Join(bin, "migrate"), []string{"-config", configFile}, nil, log)
	if err != nil {
		return err
	}
	return migrate.Wait(ctx)
}

// FreeAddress is one of 127.0.0.1 on which nobody listens at this moment.
func FreeAddress() (string, error) {
	port, err := stack.FreePort()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), err
}

// Quiet drops what the Temporal SDK has to say.
type NopLogger struct{}

// Debug drops it.
func (NopLogger) Debug(string, ...any) {}

// Info drops it.
func (NopLogger) Info(string, ...any) {}

// Warn drops it.
func (NopLogger) Warn(string, ...any) {}

// Error drops it.
func (NopLogger) Error(string, ...any) {}
