package stack

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"minigroups/deploy"
)

const (
	temporalDatabase           = "temporal"
	temporalVisibilityDatabase = "temporal_visibility"
	schemaTimeout              = time.Minute
	// retention is how long a namespace that StartTemporalServer creates keeps closed workflows. It has to be shorter than
	// the retention of the ledger (docs/ledger.md).
	retention = 3 * 24 * time.Hour
)

// TemporalPorts are the ports on 127.0.0.1 of a server's four services: for calls (gRPC) and for the membership
// protocol, by which they find each other.
type TemporalPorts struct {
	Frontend, History, Matching, Worker                                         int
	FrontendMembership, HistoryMembership, MatchingMembership, WorkerMembership int
}

// DefaultTemporalPorts returns the ports that Temporal's documentation uses, moved so that the frontend's 7233 becomes
// the given port.
func DefaultTemporalPorts(frontend int) TemporalPorts {
	return TemporalPorts{
		Frontend: frontend, History: frontend + 1, Matching: frontend + 2, Worker: frontend + 6,
		FrontendMembership: frontend - 300, HistoryMembership: frontend - 299,
		MatchingMembership: frontend - 298, WorkerMembership: frontend - 294,
	}
}

// FreeTemporalPorts returns ports of FreePort.
func FreeTemporalPorts() (ports TemporalPorts, err error) {
	for _, port := range []*int{
		&ports.Frontend, &ports.History, &ports.Matching, &ports.Worker,
		&ports.FrontendMembership, &ports.HistoryMembership, &ports.MatchingMembership, &ports.WorkerMembership,
	} {
		if *port, err = FreePort(); err != nil {
			return ports, err
		}
	}
	return ports, nil
}

// environment returns the variables by which deploy.TemporalServer reads the ports.
func (p TemporalPorts) environment() []string {
	var env []string
	for name, port := range map[string]int{
		"FRONTEND_GRPC_PORT": p.Frontend, "FRONTEND_MEMBERSHIP_PORT": p.FrontendMembership,
		"HISTORY_GRPC_PORT": p.History, "HISTORY_MEMBERSHIP_PORT": p.HistoryMembership,
		"MATCHING_GRPC_PORT": p.Matching, "MATCHING_MEMBERSHIP_PORT": p.MatchingMembership,
		"WORKER_GRPC_PORT": p.Worker, "WORKER_MEMBERSHIP_PORT": p.WorkerMembership,
	} {
		env = append(env, name+"="+strconv.Itoa(port))
	}
	return env
}

// Check returns an error that names every port in use, or the highest port of the frontend if the server cannot record
// the given ones: it keeps its membership ports in a smallint of Postgres.
func (p TemporalPorts) Check() error {
	membership := max(p.FrontendMembership, p.HistoryMembership, p.MatchingMembership, p.WorkerMembership)
	if membership > math.MaxInt16 {
		return fmt.Errorf("dev.temporal_listen: Temporal's server cannot record membership port %d, because the highest "+
			"is %d: choose a port up to %d", membership, math.MaxInt16, math.MaxInt16-(membership-p.Frontend))
	}
	var wrong []error
	for _, port := range []int{
		p.Frontend, p.History, p.Matching, p.Worker,
		p.FrontendMembership, p.HistoryMembership, p.MatchingMembership, p.WorkerMembership,
	} {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		wrong = append(wrong, CheckPort(address, "Temporal", "dev.temporal_listen"))
	}
	return errors.Join(wrong...)
}

// TemporalServerOptions says which of Temporal's production servers to start.
type TemporalServerOptions struct {
	// Binary and SchemaTool are the paths that BuildTemporalServer returned.
	Binary, SchemaTool string
	// Dir holds its configuration files. It is created if missing.
	Dir string
	// Postgres holds its databases, temporal and temporal_visibility. They are created if missing and migrated.
	Postgres *Postgres
	// Prefix begins the names of those databases, so that several servers can share a Postgres.
	Prefix string
	// Ports must stay the same for the same databases, in which the server records them.
	Ports TemporalPorts
	// Namespace is created if missing and then keeps closed workflows for three days; empty is "default".
	Namespace string
	// TLS, unless empty, makes the frontend require TLS with client certificates.
	TLS TemporalTLS
	// Log is the file to which the server's output is appended.
	Log string
}

// TemporalTLS has the paths of PEM files: the CA of the frontend and of its clients, and a certificate for 127.0.0.1
// with its key, which the frontend and its own clients use.
type TemporalTLS struct{ CA, Certificate, Key string }

// Config returns the configuration of a client with these files as they are now; nil without files.
func (f TemporalTLS) Config() (*tls.Config, error) {
	if f == (TemporalTLS{}) {
		return nil, nil //nolint:nilnil // a nil configuration is a connection without TLS
	}
	certificate, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(authority)
	return config, nil
}

// StartTemporalServer starts all four services of Temporal's production server in one process on PostgreSQL and returns
// when workflows can be started and found in the namespace. It registers no search attributes: cmd/migrate does. It
// returns an error, and starts nothing, if a port is in use.
func StartTemporalServer(ctx context.Context, options TemporalServerOptions) (*Temporal, error) {
	if err := options.Ports.Check(); err != nil {
		return nil, fmt.Errorf("start Temporal: %w", err)
	}
	schemas := map[string]string{temporalDatabase: "temporal", temporalVisibilityDatabase: "visibility"}
	for database, schema := range schemas {
		if err := options.migrate(ctx, options.Prefix+database, "postgresql/v12/"+schema); err != nil {
			return nil, fmt.Errorf("start Temporal: %w", err)
		}
	}
	err := options.Postgres.execute(ctx, options.Prefix+temporalVisibilityDatabase, deploy.TemporalVisibility)
	if err != nil {
		return nil, fmt.Errorf("start Temporal: drop indexes: %w", err)
	}
	env, err := options.configure()
	if err != nil {
		return nil, fmt.Errorf("start Temporal: %w", err)
	}
	secured, err := options.TLS.Config()
	if err != nil {
		return nil, fmt.Errorf("start Temporal: %w", err)
	}
	process, err := start(ctx, spec{
		name: "Temporal", path: options.Binary, log: options.Log, env: append(os.Environ(), env...),
		args: []string{"--root", options.Dir, "--config", ".", "--env", "server", "--allow-no-auth", "start"},
	})
	if err != nil {
		return nil, err
	}
	t := &Temporal{
		Process: process, tls: secured,
		address: net.JoinHostPort("127.0.0.1", strconv.Itoa(options.Ports.Frontend)),
	}
	namespace := cmp.Or(options.Namespace, "default")
	probe := func(ctx context.Context) error { return t.servesAll(ctx, namespace) }
	if err := t.Await(ctx, temporalStartTimeout, probe); err != nil {
		return nil, err
	}
	return t, nil
}

// serverGC lets the heap of a server of Temporal grow to five times what is in use, as in deploy/compose.yaml.
const serverGC = "GOGC=400"

// configure writes the server's configuration files and returns the variables that they refer to.
func (o TemporalServerOptions) configure() (env []string, err error) {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("write its configuration: %w", err)
	}
	dynamic := filepath.Join(o.Dir, "dynamicconfig.yaml")
	err = errors.Join(os.WriteFile(dynamic, deploy.TemporalDynamicConfig, 0o600),
		os.WriteFile(filepath.Join(o.Dir, "server.yaml"), deploy.TemporalServer, 0o600))
	if err != nil {
		return nil, fmt.Errorf("write its configuration: %w", err)
	}
	return slices.Concat(o.Ports.environment(), []string{
		"DB_PORT=" + strconv.Itoa(o.Postgres.Port()), "POSTGRES_USER=" + postgresAccount,
		"DBNAME=" + o.Prefix + temporalDatabase, "VISIBILITY_DBNAME=" + o.Prefix + temporalVisibilityDatabase,
		// All services share a Postgres with the programs of this module.
		"SQL_MAX_CONNS=10",
		serverGC,
		"DYNAMIC_CONFIG_FILE_PATH=" + dynamic, "LOG_LEVEL=warn",
		"TEMPORAL_TLS_FRONTEND_CERT=" + o.TLS.Certificate, "TEMPORAL_TLS_FRONTEND_KEY=" + o.TLS.Key,
		"TEMPORAL_TLS_CLIENT_CA_CERT=" + o.TLS.CA, "TEMPORAL_TLS_SERVER_CA_CERT=" + o.TLS.CA,
		"TEMPORAL_TLS_FRONTEND_SERVER_NAME=127.0.0.1",
	}), nil
}

// migrate creates a database if missing and migrates it to the newest version of a schema that the schema tool knows.
func (o TemporalServerOptions) migrate(ctx context.Context, database, schema string) error {
	ctx, cancel := context.WithTimeout(ctx, schemaTimeout)
	defer cancel()
	if err := o.Postgres.CreateDatabase(ctx, database); err != nil {
		return err
	}
	// This does nothing if the database has a schema.
	if err := o.schemaTool(ctx, database, "setup-schema", "--version", "0.0"); err != nil {
		return err
	}
	return o.schemaTool(ctx, database, "update-schema", "--schema-name", schema)
}

func (o TemporalServerOptions) schemaTool(ctx context.Context, database string, args ...string) error {
	args = append([]string{
		"--endpoint", "127.0.0.1", "--port", strconv.Itoa(o.Postgres.Port()), "--user", postgresAccount,
		"--plugin", "postgres12_pgx", "--database", database,
	}, args...)
	tool, err := start(ctx, spec{name: "Temporal's schema tool", path: o.SchemaTool, args: args, log: o.Log})
	if err != nil {
		return err
	}
	if err := tool.Wait(ctx); err != nil {
		return fmt.Errorf("migrate the schema of %s: %w", database, err)
	}
	return nil
}

// servesAll returns nil if the namespace exists and the services history and matching serve it, too. It creates a
// missing namespace, and then returns an error because the namespace can be used only a little later.
func (t *Temporal) servesAll(ctx context.Context, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := t.dial(ctx, namespace)
	if err != nil {
		return err
	}
	defer c.Close()
	var missing *serviceerror.NamespaceNotFound
	if err := serves(ctx, c, namespace, nil); errors.As(err, &missing) {
		return createNamespace(ctx, c, namespace)
	} else if err != nil {
		return err
	}
	var notFound *serviceerror.NotFound
	if _, err := c.DescribeWorkflowExecution(ctx, "workflow/that/does/not/exist", ""); !errors.As(err, &notFound) {
		return fmt.Errorf("query history for a workflow: %w", err)
	}
	_, err = c.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace: namespace, TaskQueue: &taskqueue.TaskQueue{Name: "any"}, TaskQueueType: enums.TASK_QUEUE_TYPE_WORKFLOW,
	})
	if err != nil {
		return fmt.Errorf("query matching for a task queue: %w", err)
	}
	return nil
}

func createNamespace(ctx context.Context, c client.Client, namespace string) error {
	_, err := c.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	var exists *serviceerror.NamespaceAlreadyExists
	if err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("register the namespace: %w", err)
	}
	return errors.New("its namespace was only just registered")
}
