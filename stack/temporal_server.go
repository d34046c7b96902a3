package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	schemaTakes                = time.Minute
	// retention is how long a namespace that is made here keeps closed runs: for less than the ledger remembers what they did.
	retention = 3 * 24 * time.Hour
)

// TemporalPorts are the ports on 127.0.0.1 of a server's four services: what
// they are called on, and what they find each other by.
type TemporalPorts struct {
	Frontend, History, Matching, Worker                                         int
	FrontendMembership, HistoryMembership, MatchingMembership, WorkerMembership int
}

// UsualTemporalPorts are those that Temporal's documentation names, around the
// frontend's 7233.
func UsualTemporalPorts(frontend int) TemporalPorts {
	return TemporalPorts{
		Frontend: frontend, History: frontend + 1, Matching: frontend + 2, Worker: frontend + 6,
		FrontendMembership: frontend - 300, HistoryMembership: frontend - 299, MatchingMembership: frontend - 298, WorkerMembership: frontend - 294,
	}
}

// FreeTemporalPorts are ports on which nobody listens at this moment.
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

// environment names the ports as deploy.TemporalServer reads them.
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

// Check reports every port that is taken.
func (p TemporalPorts) Check() error {
	var wrong []error
	for _, port := range []int{
		p.Frontend, p.History, p.Matching, p.Worker,
		p.FrontendMembership, p.HistoryMembership, p.MatchingMembership, p.WorkerMembership,
	} {
		wrong = append(wrong, CheckPort(net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), "Temporal", "dev.temporal_listen"))
	}
	return errors.Join(wrong...)
}

// TemporalServerOptions says which of Temporal's own servers to start.
type TemporalServerOptions struct {
	// Binary and SchemaTool are what BuildTemporalServer has built.
	Binary, SchemaTool string
	// Dir gets its configuration files. Made if missing.
	Dir string
	// Postgres holds its databases, temporal and temporal_visibility, which are
	// made where they are missing and brought up to its schema.
	Postgres *Postgres
	// Prefix begins the names of those databases, so that several servers can
	// share a Postgres.
	Prefix string
	// Ports, the same whenever it is started on the same databases: it knows its
	// services by them.
	Ports TemporalPorts
	// Namespace to have; empty is "default". One that is made keeps closed runs
	// for three days.
	Namespace string
	// Log is the file that gets what the server prints.
	Log string
}

// StartTemporalServer starts all four services of Temporal's own server in one
// process on PostgreSQL, as production has it, and returns when runs can be
// started and found in the namespace. Its search attributes are for cmd/migrate
// to make. Ports that are taken are an error before anything starts.
func StartTemporalServer(ctx context.Context, options TemporalServerOptions) (*Temporal, error) {
	if err := options.Ports.Check(); err != nil {
		return nil, fmt.Errorf("start Temporal: %w", err)
	}
	for database, schema := range map[string]string{temporalDatabase: "temporal", temporalVisibilityDatabase: "visibility"} {
		if err := options.bringUp(ctx, options.Prefix+database, "postgresql/v12/"+schema); err != nil {
			return nil, fmt.Errorf("start Temporal: %w", err)
		}
	}
	env, err := options.configure()
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
	t := &Temporal{Process: process, address: net.JoinHostPort("127.0.0.1", strconv.Itoa(options.Ports.Frontend))}
	namespace := cmp.Or(options.Namespace, "default")
	if err := t.Await(ctx, temporalStart, func(ctx context.Context) error { return t.servesAll(ctx, namespace) }); err != nil {
		return nil, err
	}
	return t, nil
}

// configure writes the server's files and returns the environment that fills them in.
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
		// All services share one Postgres with ours.
		"SQL_MAX_CONNS=10",
		"DYNAMIC_CONFIG_FILE_PATH=" + dynamic, "LOG_LEVEL=warn",
	}), nil
}

// bringUp makes a database where there is none and brings it to the newest version of a schema that the tool knows.
func (o TemporalServerOptions) bringUp(ctx context.Context, database, schema string) error {
	ctx, cancel := context.WithTimeout(ctx, schemaTakes)
	defer cancel()
	if err := o.Postgres.CreateDatabase(ctx, database); err != nil {
		return err
	}
	// A schema that is there already is left at its version.
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
		return fmt.Errorf("bring up the schema of %s: %w", database, err)
	}
	return nil
}

// servesAll reports whether the namespace is there, which it sees to, and whether history and matching serve it, too.
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
		return makeNamespace(ctx, c, namespace)
	} else if err != nil {
		return err
	}
	var notFound *serviceerror.NotFound
	if _, err := c.DescribeWorkflowExecution(ctx, "nothing/that/was/started", ""); !errors.As(err, &notFound) {
		return fmt.Errorf("ask history for a run: %w", err)
	}
	_, err = c.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace: namespace, TaskQueue: &taskqueue.TaskQueue{Name: "nobody polls"}, TaskQueueType: enums.TASK_QUEUE_TYPE_WORKFLOW,
	})
	if err != nil {
		return fmt.Errorf("ask matching for a task queue: %w", err)
	}
	return nil
}

func makeNamespace(ctx context.Context, c client.Client, namespace string) error {
	_, err := c.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	var there *serviceerror.NamespaceAlreadyExists
	if err != nil && !errors.As(err, &there) {
		return fmt.Errorf("register the namespace: %w", err)
	}
	return errors.New("its namespace was only just registered")
}
