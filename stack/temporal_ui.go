package stack

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

const temporalUIStartTimeout = 30 * time.Second

// TemporalUIOptions says which web UI to start.
type TemporalUIOptions struct {
	// Binary is the path that BuildTemporalUI returned.
	Binary string
	// Dir holds its configuration file. It is created if missing.
	Dir string
	// Address to listen on, host:port.
	Address string
	// Temporal is the address of the server's frontend, host:port.
	Temporal string
	// Namespace to show first; empty is "default".
	Namespace string
	// Log is the file to which its output is appended.
	Log string
}

// StartTemporalUI starts Temporal's web UI for a production server, which has none, and returns when it serves the
// namespaces of that server. It does not offer Terminate, which ends a workflow without an undo: Cancel does that.
func StartTemporalUI(ctx context.Context, options TemporalUIOptions) (*Process, error) {
	host, text, err := net.SplitHostPort(options.Address)
	if err != nil {
		return nil, fmt.Errorf("start the UI of Temporal: %w", err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("start the UI of Temporal: %w", err)
	}
	settings, err := yaml.Marshal(map[string]any{
		"host": host, "port": port, "enableUi": true, "temporalGrpcAddress": options.Temporal,
		"defaultNamespace": cmp.Or(options.Namespace, "default"), "workflowTerminateDisabled": true,
		"cors": map[string]any{"cookieInsecure": true}, // there is no TLS on this machine
	})
	if err != nil {
		return nil, fmt.Errorf("start the UI of Temporal: %w", err)
	}
	if err := os.MkdirAll(options.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("start the UI of Temporal: %w", err)
	}
	if err := os.WriteFile(filepath.Join(options.Dir, "ui.yaml"), settings, 0o600); err != nil {
		return nil, fmt.Errorf("start the UI of Temporal: %w", err)
	}
	args := []string{"--root", options.Dir, "--config", ".", "--env", "ui", "start"}
	ui, err := start(ctx, spec{name: "the UI of Temporal", path: options.Binary, args: args, log: options.Log})
	if err != nil {
		return nil, err
	}
	// The UI gets the namespaces from the server.
	return ui, ui.AwaitHTTP(ctx, temporalUIStartTimeout, "http://"+options.Address+"/api/v1/namespaces")
}
