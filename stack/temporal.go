package stack

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	temporallog "go.temporal.io/sdk/log"
	"go.yaml.in/yaml/v3"

	"minigroups/deploy"
)

const temporalStartTimeout = 60 * time.Second

// dynamicConfig returns the values of deploy.TemporalDynamicConfig as the CLI expects them, key=value.
func dynamicConfig() ([]string, error) {
	var file map[string][]struct {
		Value any `yaml:"value"`
	}
	if err := yaml.Unmarshal(deploy.TemporalDynamicConfig, &file); err != nil {
		return nil, fmt.Errorf("read Temporal's dynamic configuration: %w", err)
	}
	var values []string
	for key, constrained := range file {
		for _, c := range constrained {
			value, err := json.Marshal(c.Value)
			if err != nil {
				return nil, fmt.Errorf("read Temporal's dynamic configuration: %s: %w", key, err)
			}
			values = append(values, key+"="+string(value))
		}
	}
	return values, nil
}

// TemporalOptions says which Temporal dev server to start.
type TemporalOptions struct {
	// Binary is the Temporal CLI (see BuildTemporal).
	Binary string
	// DBFile is the SQLite file with the state; empty keeps the state in memory.
	DBFile string
	// Address of the frontend, host:port.
	Address string
	// UIAddress of the web UI, host:port; empty starts no UI.
	UIAddress string
	// Namespace is created if missing, with the search attributes; empty is "default", which always exists.
	Namespace string
	// SearchAttributes to register, name to type (Keyword, Bool, …). Existing ones keep their type.
	SearchAttributes map[string]string
	// Stock starts the server without our settings, for comparison.
	Stock bool
	// Log is the file to which the server's output is appended.
	Log string
}

// Temporal is a running server.
type Temporal struct {
	*Process
	address string
	tls     *tls.Config // nil: the frontend speaks no TLS
}

// StartTemporal starts a dev server and returns when it serves the namespace with the search attributes. It returns an
// error, and starts nothing, if a port is in use.
func StartTemporal(ctx context.Context, options TemporalOptions) (*Temporal, error) {
	args, err := temporalArgs(options)
	if err != nil {
		return nil, fmt.Errorf("start Temporal: %w", err)
	}
	attributes := map[string]enums.IndexedValueType{}
	for name, kind := range options.SearchAttributes {
		if attributes[name], err = enums.IndexedValueTypeFromString(kind); err != nil {
			return nil, fmt.Errorf("start Temporal: search attribute %s: %w", name, err)
		}
	}
	for _, address := range []string{options.Address, options.UIAddress} {
		if address == "" {
			continue
		}
		if err := CheckPort(address, "Temporal", "dev.temporal_listen and dev.temporal_ui"); err != nil {
			return nil, fmt.Errorf("start Temporal: %w", err)
		}
	}
	dev := spec{name: "Temporal", path: options.Binary, args: args, log: options.Log}
	if !options.Stock {
		dev.env = append(os.Environ(), serverGC)
	}
	process, err := start(ctx, dev)
	if err != nil {
		return nil, err
	}
	namespace := cmp.Or(options.Namespace, "default")
	t := &Temporal{Process: process, address: options.Address}
	probe := func(ctx context.Context) error { return t.serves(ctx, namespace, attributes) }
	if err := t.Await(ctx, temporalStartTimeout, probe); err != nil {
		return nil, err
	}
	return t, nil
}

func temporalArgs(options TemporalOptions) ([]string, error) {
	host, port, err := net.SplitHostPort(options.Address)
	if err != nil {
		return nil, err
	}
	args := []string{"server", "start-dev", "--ip", host, "--port", port, "--log-level", "warn"}
	if options.UIAddress == "" {
		args = append(args, "--headless")
	} else {
		uiHost, uiPort, err := net.SplitHostPort(options.UIAddress)
		if err != nil {
			return nil, err
		}
		args = append(args, "--ui-ip", uiHost, "--ui-port", uiPort)
	}
	if options.DBFile != "" {
		args = append(args, "--db-filename", options.DBFile)
	}
	if options.Namespace != "" {
		args = append(args, "--namespace", options.Namespace)
	}
	if options.Stock {
		return args, nil
	}
	// What was committed survives the server's own end at any moment. A crash of the machine leaves the file intact, only
	// without the last moments. So a write need not wait for the disk.
	args = append(args, "--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL")
	values, err := dynamicConfig()
	if err != nil {
		return nil, err
	}
	for _, value := range values {
		args = append(args, "--dynamic-config-value", value)
	}
	return args, nil
}

// Address returns the frontend's host:port.
func (t *Temporal) Address() string { return t.address }

// dial connects to the server. It discards the SDK's log, which is full of errors while the server starts.
func (t *Temporal) dial(ctx context.Context, namespace string) (client.Client, error) {
	return client.DialContext(ctx, client.Options{
		HostPort: t.address, Namespace: namespace, ConnectionOptions: client.ConnectionOptions{TLS: t.tls},
		Logger: temporallog.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil))),
	})
}

// serves returns nil if workflows can be started in the namespace and found by the search attributes.
func (t *Temporal) serves(
	ctx context.Context, namespace string, attributes map[string]enums.IndexedValueType,
) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := t.dial(ctx, namespace)
	if err != nil {
		return err
	}
	defer c.Close()
	return serves(ctx, c, namespace, attributes)
}

// serves returns nil if the namespace has the search attributes and its workflows can be counted.
func serves(
	ctx context.Context, c client.Client, namespace string, attributes map[string]enums.IndexedValueType,
) error {
	if err := register(ctx, c, namespace, attributes); err != nil {
		return err
	}
	_, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("count the workflows of its namespace: %w", err)
	}
	return nil
}

// register adds the search attributes that the namespace does not have, because the server's flag for them works only
// with a new database file. It returns an error after it has added some: they can be used a little later.
func register(
	ctx context.Context, c client.Client, namespace string, attributes map[string]enums.IndexedValueType,
) error {
	known, err := c.OperatorService().ListSearchAttributes(ctx,
		&operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return err
	}
	missing := map[string]enums.IndexedValueType{}
	for name, kind := range attributes {
		if _, ok := known.GetCustomAttributes()[name]; !ok {
			missing[name] = kind
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx,
		&operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing})
	if err != nil {
		return fmt.Errorf("register search attributes: %w", err)
	}
	return errors.New("search attributes were only just registered")
}
