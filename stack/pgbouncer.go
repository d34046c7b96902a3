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
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

const pgBouncerStartTimeout = 20 * time.Second

// ErrNoPgBouncer is the error of StartPgBouncer if PgBouncer is not installed.
var ErrNoPgBouncer = errors.New("no pgbouncer is installed (looked in PATH and /usr/sbin)")

// PgBouncerOptions says which PgBouncer to start.
type PgBouncerOptions struct {
	// Postgres is the server behind it.
	Postgres *Postgres
	// Port on which it listens. Default a free one.
	Port int
	// Mode is the pool mode: session, transaction or statement.
	Mode string
	// Connections is the maximum number of connections to each database of Postgres.
	Connections int
	// User is the role as which it connects to Postgres. Default postgres.
	User string
	// Ignore lists the start-up parameters that it accepts and ignores.
	Ignore []string
	// Log is the file to which its output is appended.
	Log string
}

// PgBouncer is a running connection pooler on 127.0.0.1 that trusts every connection. Its configuration file is removed
// when it is stopped or killed.
type PgBouncer struct {
	*Process
	port int
	dir  string
}

// StartPgBouncer starts the installed PgBouncer and returns when it accepts connections. It returns ErrNoPgBouncer if
// none is installed.
func StartPgBouncer(ctx context.Context, options PgBouncerOptions) (*PgBouncer, error) {
	binary, ok := findInstalled("pgbouncer")
	if !ok {
		return nil, ErrNoPgBouncer
	}
	credential, err := unprivileged(postgresAccount, "nobody") // it refuses to run as root
	if err != nil {
		return nil, fmt.Errorf("start PgBouncer: %w", err)
	}
	port := options.Port
	if port == 0 {
		if port, err = FreePort(); err != nil {
			return nil, fmt.Errorf("start PgBouncer: %w", err)
		}
	}
	dir, err := os.MkdirTemp("", "minigroups-pgbouncer-")
	if err != nil {
		return nil, fmt.Errorf("start PgBouncer: %w", err)
	}
	if options.User == "" {
		options.User = postgresAccount
	}
	p := &PgBouncer{port: port, dir: dir}
	file := filepath.Join(dir, "pgbouncer.ini")
	err = os.WriteFile(file, fmt.Appendf(nil, pgBouncerConfig, options.Postgres.Port(), options.User, port,
		options.Mode, options.Connections, strings.Join(options.Ignore, ", ")), 0o600)
	if err == nil {
		err = chown(credential, dir)
	}
	if err == nil {
		server := spec{
			name: "PgBouncer", path: binary, args: []string{file}, log: options.Log, credential: credential,
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		p.Process, err = startListener(ctx, server, address, pgBouncerStartTimeout)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start PgBouncer: %w", err), os.RemoveAll(dir))
	}
	return p, nil
}

// pgBouncerConfig listens on loopback only. After a failed attempt, PgBouncer by default says for 15 s that Postgres is
// away.
const pgBouncerConfig = `[databases]
* = host=127.0.0.1 port=%d user=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = %s
default_pool_size = %d
server_login_retry = 1
max_client_conn = 1000
ignore_startup_parameters = %s
`

// PingPgBouncer returns nil if a PgBouncer answers there, whether or not Postgres does.
func PingPgBouncer(ctx context.Context, address string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("ping PgBouncer: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // it ends what waits
	frontend := pgproto3.NewFrontend(conn, conn)
	frontend.Send(&pgproto3.SSLRequest{})
	if err = frontend.Flush(); err == nil {
		_, err = conn.Read(make([]byte, 1)) // S or N
	}
	if err != nil {
		return fmt.Errorf("ping PgBouncer: %w", err)
	}
	return nil
}

// URL returns the connection string of a database.
func (p *PgBouncer) URL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.User(postgresAccount), Path: "/" + database, RawQuery: "sslmode=disable",
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)),
	}
	return u.String()
}

// Stop is Process.Stop. It also removes the configuration file.
func (p *PgBouncer) Stop(ctx context.Context) error {
	return errors.Join(p.Process.Stop(ctx), os.RemoveAll(p.dir))
}

// Kill is Process.Kill. It also removes the configuration file.
func (p *PgBouncer) Kill() error { return errors.Join(p.Process.Kill(), os.RemoveAll(p.dir)) }
