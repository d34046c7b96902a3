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

const temporalUIStart = 30 * time.Second

// TemporalUIOptions says which web UI to start.
type TemporalUIOptions struct {
	// Binary is what BuildTemporalUI has built.
	Binary string
	// Dir gets its configuration file. Made if missing.
	Dir string
	// Address to listen on, host:port.
	Address string
	// Temporal is the address of the frontend that it shows, host:port.
	Temporal string
	// Namespace that it shows first; empty is "default".
	Namespace string
	// Log is the file that gets what it prints.
	Log string
}

// StartTemporalUI starts Temporal's web UI beside Temporal's own server, which
// has none, and returns when it shows what is there. It offers no Terminate: that ends a run
// without undoing anything, and Cancel does all that is wanted of it.
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
	return ui, ui.Answers(ctx, temporalUIStart, "http://"+options.Address+"/api/v1/namespaces") // which it asks Temporal for
}
