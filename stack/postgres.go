package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	postgresStartTimeout = 60 * time.Second
	// postgresRetryInterval is the pause before a server is started again whose predecessor's children still run.
	postgresRetryInterval = 200 * time.Millisecond
	// postgresAccount is the name of the system account and of the database superuser.
	postgresAccount = "postgres"
)

// PostgresOptions says which Postgres to start.
type PostgresOptions struct {
	// Dir holds the cluster, or a file that says where the cluster is. It is created if missing. If empty, the cluster
	// is temporary: Stop and Kill remove it.
	Dir string
	// Port on 127.0.0.1; 0 selects a free one.
	Port int
	// Log is the file to which the server's output is appended.
	Log string
	// Fast turns durability off. For tests.
	Fast bool
	// Settings are additional server settings, name=value.
	Settings []string
	// StandbyOf is the running primary of which a cluster that does not exist yet becomes a copy. The server is a standby
	// until Promote.
	StandbyOf *Postgres
}

// Postgres is a running server on 127.0.0.1 that trusts every connection.
type Postgres struct {
	*Process
	port      int
	temporary string // the directory to remove with it, if any
}

// StartPostgres starts a server on the cluster of options.Dir and returns when it accepts connections. It creates the
// cluster if there is none, and recovers one whose server was killed. It returns an error if a running server uses the
// cluster, if no installed version fits the cluster, and ErrNoPostgres if none is installed.
//
// Started by root, the server runs as the account postgres or nobody. If that account cannot enter Dir, the cluster is
// under /var/tmp and Dir records its path; RemovePostgres removes both.
func StartPostgres(ctx context.Context, options PostgresOptions) (*Postgres, error) {
	if options.Dir == "" {
		return startTemporary(ctx, options)
	}
	credential, err := unprivileged(postgresAccount, "nobody")
	if err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	dir, err := clusterDir(ctx, options.Dir, credential)
	if err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	data := filepath.Join(dir, "data")
	bin, err := installationFor(ctx, data)
	if err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	if err := createCluster(ctx, clusterProgram(bin, options.StandbyOf), data, credential); err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	if err := awaitPreviousServer(ctx, data); err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	port := options.Port
	if port == 0 {
		if port, err = FreePort(); err != nil {
			return nil, fmt.Errorf("start Postgres: %w", err)
		}
	}

	ctx, cancel := context.WithTimeout(ctx, postgresStartTimeout)
	defer cancel()
	server := spec{
		name: "Postgres",
		path: filepath.Join(bin, "postgres"),
		args: serverArgs(data, port, options),
		env:  postgresEnv,
		log:  options.Log,
		// SIGINT is Postgres's fast shutdown: it disconnects clients and writes what is committed.
		stopSignal:        syscall.SIGINT,
		parentDeathSignal: syscall.SIGINT,
		credential:        credential,
	}
	for {
		process, err := start(ctx, server)
		if err != nil {
			return nil, err
		}
		p := &Postgres{Process: process, port: port}
		err = p.Await(ctx, postgresStartTimeout, func(ctx context.Context) error { return p.serves(ctx, data) })
		if err == nil {
			return p, nil
		}
		// The children of a killed server run on until they notice that it has ended.
		if !strings.Contains(err.Error(), "is still in use") {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(postgresRetryInterval):
		}
	}
}

// PostgresAt returns the server that another process has started on a port, and that only that process can stop.
func PostgresAt(port int) *Postgres { return &Postgres{port: port} }

func startTemporary(ctx context.Context, options PostgresOptions) (*Postgres, error) {
	dir, err := os.MkdirTemp("", fallbackPrefix)
	if err == nil {
		// The account of the server has to enter it.
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	options.Dir = dir
	p, err := StartPostgres(ctx, options)
	if err != nil {
		return nil, errors.Join(err, RemovePostgres(dir))
	}
	p.temporary = dir
	return p, nil
}

// Stop is Process.Stop. It also removes a temporary cluster.
func (p *Postgres) Stop(ctx context.Context) error {
	return errors.Join(p.Process.Stop(ctx), p.removeTemporary())
}

// Kill is Process.Kill. It also waits until the server's children have ended, which are not in its group and end when
// they notice that the server has, and removes a temporary cluster.
func (p *Postgres) Kill() error {
	if p.ended() {
		return p.removeTemporary()
	}
	children := familyOf(p.PID())[1:]
	err := p.Process.Kill()
	for _, child := range children {
		_ = syscall.Kill(child.pid, syscall.SIGCONT) // a frozen one notices nothing
	}
	if left := awaitEnd(killTimeout, func() []member { return children }); len(left) > 0 {
		err = errors.Join(err, fmt.Errorf("kill %s: its children %v still run", p.name, left))
	}
	return errors.Join(err, p.removeTemporary())
}

func (p *Postgres) removeTemporary() error {
	if p.temporary == "" {
		return nil
	}
	// The children of a server that was killed from outside may still write.
	deadline := time.Now().Add(killTimeout)
	for {
		err := RemovePostgres(p.temporary)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(probeInterval)
	}
}

// postgresEnv keeps our PG* variables and locale from the server.
var postgresEnv = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}

func serverArgs(data string, port int, options PostgresOptions) []string {
	args := []string{
		"-D", data, "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1",
		// An abstract socket: the path of a file would have to be short, and its directory writable.
		"-c", "unix_socket_directories=" + socketNamespace,
		"-c", "max_connections=200",
	}
	if options.Fast {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	for _, setting := range options.Settings {
		args = append(args, "-c", setting)
	}
	return args
}

// serves returns nil if the server on our port is the one on our cluster.
func (p *Postgres) serves(ctx context.Context, data string) error {
	conn, err := pgx.Connect(ctx, p.URL(postgresAccount))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var found string
	if err := conn.QueryRow(ctx, "SHOW data_directory").Scan(&found); err != nil {
		return err
	}
	if found != data {
		return fmt.Errorf("another Postgres serves port %d, with its data in %s", p.port, found)
	}
	return nil
}

// socketNamespace is where the servers have their sockets, each with its port in its name.
const socketNamespace = "@minigroups"

// Socket returns the address of its Unix socket, which takes less time than its port does.
func (p *Postgres) Socket() string { return socketNamespace + "/.s.PGSQL." + strconv.Itoa(p.port) }

// Port returns its port on 127.0.0.1.
func (p *Postgres) Port() int { return p.port }

// URL returns the connection string of a database; "postgres" always exists.
func (p *Postgres) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(postgresAccount),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Promote makes a standby a primary, and returns when it accepts writes. It does not stop the primary before it.
func (p *Postgres) Promote(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.URL(postgresAccount))
	if err != nil {
		return fmt.Errorf("promote %s: %w", p.name, err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var promoted bool
	if err := conn.QueryRow(ctx, "SELECT pg_promote()").Scan(&promoted); err != nil || !promoted {
		return fmt.Errorf("promote %s: not promoted, %w", p.name, err)
	}
	return nil
}

// execute executes SQL in a database.
func (p *Postgres) execute(ctx context.Context, database, sql string) error {
	conn, err := pgx.Connect(ctx, p.URL(database))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql)
	return err
}

// CreateDatabase creates a database. It returns nil if the database exists.
func (p *Postgres) CreateDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, p.URL(postgresAccount))
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var exists bool
	const query = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)"
	if err := conn.QueryRow(ctx, query, name).Scan(&exists); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	if exists {
		return nil
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}
