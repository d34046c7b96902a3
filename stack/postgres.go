package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	postgresStart   = 60 * time.Second
	initdbTakes     = 2 * time.Minute
	postgresAccount = "postgres"
)

// PostgresOptions says which Postgres to start.
type PostgresOptions struct {
	// Dir holds the cluster, or the record of where it lies. Made if missing.
	// Empty is a temporary one: it is removed by Stop and Kill.
	Dir string
	// Port on 127.0.0.1; 0 is a free one.
	Port int
	// Log is the file that gets the server's log.
	Log string
	// Fast gives up durability for speed. For tests.
	Fast bool
	// Settings of the server beyond what it needs to be told, name=value.
	Settings []string
}

// Postgres is a running server on 127.0.0.1, which trusts whoever reaches it.
type Postgres struct {
	*Process
	port      int
	temporary string // the folder that goes with it, if any
}

// StartPostgres starts a server on the cluster of options.Dir, which is made
// first where there is none, and returns when it takes connections. A cluster
// that a killed server left behind is recovered; one that a live server uses is
// an error, as is one of another major version than any that is installed. The
// error is ErrNoPostgres when none is installed.
//
// As root the server runs as the account postgres or nobody. Where that account
// cannot enter Dir, the cluster lies under /var/tmp and Dir records where (see
// RemovePostgres).
func StartPostgres(ctx context.Context, options PostgresOptions) (*Postgres, error) {
	if options.Dir == "" {
		return startTemporary(ctx, options)
	}
	credential, err := unprivileged(postgresAccount, "nobody")
	if err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	folder, err := postgresFolder(ctx, options.Dir, credential)
	if err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	data := filepath.Join(folder, "data")
	bin, err := postgresFor(ctx, data)
	if err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	if err := initialise(ctx, bin, data, credential); err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	if err := awaitPredecessor(ctx, data); err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	port := options.Port
	if port == 0 {
		if port, err = FreePort(); err != nil {
			return nil, fmt.Errorf("start Postgres: %w", err)
		}
	}

	ctx, cancel := context.WithTimeout(ctx, postgresStart)
	defer cancel()
	server := spec{
		name: "Postgres",
		path: filepath.Join(bin, "postgres"),
		args: serverArgs(data, port, options),
		env:  postgresEnv,
		log:  options.Log,
		// Fast shutdown: clients are cut off, what is committed is written.
		gentle:     syscall.SIGINT,
		orphaned:   syscall.SIGINT,
		credential: credential,
	}
	for {
		process, err := start(ctx, server)
		if err != nil {
			return nil, err
		}
		p := &Postgres{Process: process, port: port}
		err = p.Await(ctx, postgresStart, func(ctx context.Context) error { return p.serves(ctx, data) })
		if err == nil {
			return p, nil
		}
		// The children of a killed server need a moment to see that it is gone.
		if !strings.Contains(err.Error(), "is still in use") {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func startTemporary(ctx context.Context, options PostgresOptions) (*Postgres, error) {
	dir, err := os.MkdirTemp("", elsewherePrefix)
	if err == nil {
		// The account of the server has to get in.
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

// Stop is Process.Stop; a temporary cluster is removed.
func (p *Postgres) Stop(ctx context.Context) error {
	return errors.Join(p.Process.Stop(ctx), p.discard())
}

// Kill is Process.Kill, and waits until the server's children have ended, too: each is in a group of its own and ends
// when it notices that the server is gone. A temporary cluster is removed.
func (p *Postgres) Kill() error {
	if p.ended() {
		return p.discard()
	}
	children := familyOf(p.PID())[1:]
	err := p.Process.Kill()
	for _, child := range children {
		_ = syscall.Kill(child.pid, syscall.SIGCONT) // a frozen one notices nothing
	}
	if left := awaitEnd(killPatience, func() []member { return children }); len(left) > 0 {
		err = errors.Join(err, fmt.Errorf("kill %s: its children %v are still there", p.name, left))
	}
	return errors.Join(err, p.discard())
}

func (p *Postgres) discard() error {
	if p.temporary == "" {
		return nil
	}
	// The children of a killed server still write for a moment.
	deadline := time.Now().Add(killPatience)
	for {
		err := RemovePostgres(p.temporary)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		<-time.After(probeEvery)
	}
}

// postgresEnv keeps PG* variables and locales of ours out of the server.
var postgresEnv = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}

func serverArgs(data string, port int, options PostgresOptions) []string {
	args := []string{
		"-D", data, "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1",
		// No socket file: its path must be short and its folder writable.
		"-c", "unix_socket_directories=",
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

// initialise makes the cluster where there is none. It grows beside its place
// and is moved there when it is whole, so that an interrupted initdb leaves
// nothing that looks like a cluster.
func initialise(ctx context.Context, bin, data string, credential *syscall.Credential) error {
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err == nil {
		return nil
	}
	draft := data + ".new"
	if err := os.RemoveAll(draft); err != nil {
		return fmt.Errorf("make the cluster: %w", err)
	}
	if err := os.Mkdir(draft, 0o700); err != nil {
		return fmt.Errorf("make the cluster: %w", err)
	}
	if err := give(credential, draft); err != nil {
		return fmt.Errorf("make the cluster: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, initdbTakes)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", draft, "-U", postgresAccount,
		"--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	cmd.Env, cmd.Dir = postgresEnv, "/"
	cmd.SysProcAttr = attributes(syscall.SIGKILL)
	cmd.SysProcAttr.Credential = credential
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make the cluster with initdb: %w\n%s", err, out)
	}
	if err := os.Rename(draft, data); err != nil {
		return fmt.Errorf("make the cluster: %w", err)
	}
	return nil
}

// serves reports whether the server that answers is the one on our cluster.
func (p *Postgres) serves(ctx context.Context, data string) error {
	conn, err := pgx.Connect(ctx, p.URL(postgresAccount))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var theirs string
	if err := conn.QueryRow(ctx, "SHOW data_directory").Scan(&theirs); err != nil {
		return err
	}
	if theirs != data {
		return fmt.Errorf("the Postgres on port %d is another one, on %s", p.port, theirs)
	}
	return nil
}

// Port returns its port on 127.0.0.1.
func (p *Postgres) Port() int { return p.port }

// URL returns the connection string for one of its databases; "postgres" is
// always there.
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

// CreateDatabase makes a database; one that is there already is left alone.
func (p *Postgres) CreateDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, p.URL(postgresAccount))
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists); err != nil {
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

// ErrNoPostgres says that no PostgreSQL server is installed.
var ErrNoPostgres = errors.New("no PostgreSQL server is installed (looked for initdb and postgres in PATH, /usr/lib/postgresql, Homebrew's folders and Postgres.app)")
