package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"minigroups/auth"
	"minigroups/bench/upstream"
	"minigroups/config"
	"minigroups/stack"
)

// startTimeout bounds the start of a program.
const startTimeout = time.Minute

// environment is what all systems share: servers, upstreams, keys and programs.
type environment struct {
	root, dir, bin string
	progress       io.Writer
	// defaultTemporal is the kind of Temporal server for systems that name none.
	defaultTemporal string

	cfg       config.Config // what all instances of the product share
	token     string
	postgres  *stack.Postgres
	upstream  *stack.Process
	upstreams string // the URL of the upstreams
	temporals map[string]*stack.Temporal
	systems   map[string]*system
	clusters  map[string]*cluster

	// processes are all started processes, in the order of their start.
	processes []interface {
		Stop(ctx context.Context) error
	}
}

// newEnvironment returns an environment without any process.
func newEnvironment(root, defaultTemporal string, progress io.Writer) *environment {
	return &environment{
		root: root, defaultTemporal: defaultTemporal, progress: progress,
		temporals: map[string]*stack.Temporal{}, systems: map[string]*system{}, clusters: map[string]*cluster{},
	}
}

// start builds the programs and starts Postgres and the upstreams. The caller must call stop, also after an error.
func (e *environment) start(ctx context.Context) (err error) {
	if e.dir, err = os.MkdirTemp("", "minigroups-bench"); err != nil {
		return err
	}
	e.bin = filepath.Join(e.dir, "bin")
	if err := stack.BuildService(ctx, e.root, e.bin, e.progress); err != nil {
		return err
	}
	err = stack.BuildPrograms(ctx, filepath.Join(e.root, "bench"), e.bin, e.progress, "./cmd/upstream", "./cmd/rival")
	if err != nil {
		return err
	}
	if err := e.configure(); err != nil {
		return err
	}
	if err := e.startPostgres(ctx); err != nil {
		return err
	}
	return e.startUpstreams(ctx)
}

func (e *environment) configure() error {
	e.cfg = config.Default()
	e.cfg.Account.PrivateKeyFile = filepath.Join(e.dir, "key.pem")
	keyPEM, err := stack.WriteKeys(e.cfg.Account.PrivateKeyFile, e.publicKey())
	if err != nil {
		return err
	}
	account := auth.Account{Label: e.cfg.Account.Label, Audience: e.cfg.Account.Audience}
	signer, err := auth.NewSigner(account, keyPEM)
	if err != nil {
		return err
	}
	const issuer = "iam.example.org"
	if e.token, err = signer.Issue(issuer, "example.org", "dev", time.Now().Add(24*time.Hour)); err != nil {
		return err
	}
	e.cfg.Authentication = map[string]config.Issuer{
		issuer: {Audiences: []string{"example.org"}, Algorithm: "ES256", PublicKeyFile: e.publicKey()},
	}
	e.cfg.Authorization = map[string]config.Audience{}
	for _, audience := range upstream.All() {
		e.cfg.Authorization[audience] = config.Audience{Kind: "local", Trusted: []string{"dev.example.org"}}
	}
	e.cfg.Janus.AdminKey, e.cfg.Janus.AdminSecret, e.cfg.Janus.RoomKey = "key", "secret", "room key"
	return nil
}

func (e *environment) publicKey() string { return filepath.Join(e.dir, "key.pub.pem") }

// startPostgres starts a server that allows the many open pools and whose memory holds the tables, as in production.
func (e *environment) startPostgres(ctx context.Context) (err error) {
	e.postgres, err = stack.StartPostgres(ctx, stack.PostgresOptions{
		Log: e.log("postgres"), Settings: []string{"max_connections=600", "shared_buffers=1GB", "max_wal_size=4GB"},
	})
	if err == nil {
		e.processes = append(e.processes, e.postgres)
	}
	return err
}

func (e *environment) postgresVersion(ctx context.Context) (version string, err error) {
	conn, err := pgx.Connect(ctx, e.postgres.URL("postgres"))
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	return version, conn.QueryRow(ctx, "SHOW server_version").Scan(&version)
}

func (e *environment) startUpstreams(ctx context.Context) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	e.upstreams = "http://" + address
	e.upstream, err = e.startProgram(ctx, "upstream", "upstream", e.upstreams+"/healthz", "-listen", address)
	return err
}

// startProgram starts one of the built programs and returns when the health URL returns 200.
func (e *environment) startProgram(
	ctx context.Context, name, program, health string, args ...string,
) (*stack.Process, error) {
	p, err := stack.StartBinary(ctx, name, filepath.Join(e.bin, program), args, nil, e.log(name))
	if err != nil {
		return nil, err
	}
	e.processes = append(e.processes, p)
	return p, p.AwaitHTTP(ctx, startTimeout, health)
}

// runProgram runs one of the built programs to its end.
func (e *environment) runProgram(ctx context.Context, name, program string, args ...string) error {
	p, err := stack.StartBinary(ctx, name, filepath.Join(e.bin, program), args, nil, e.log(name))
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

func (e *environment) printf(format string, args ...any) {
	fmt.Fprintf(e.progress, format+"\n", args...)
}

func (e *environment) log(name string) string { return filepath.Join(e.dir, name+".log") }

// stop stops all processes in the reverse order of their start and removes the directory.
func (e *environment) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	for _, s := range e.systems {
		s.thaw()
	}
	for _, c := range e.clusters {
		c.close()
	}
	for _, p := range slices.Backward(e.processes) {
		if err := p.Stop(ctx); err != nil {
			e.printf("%v", err)
		}
	}
	_ = os.RemoveAll(e.dir)
}

func freeAddress() (string, error) {
	port, err := stack.FreePort()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), err
}

// discardLogger discards the log of the Temporal SDK.
type discardLogger struct{}

// Debug implements log.Logger.
func (discardLogger) Debug(string, ...any) {}

// Info implements log.Logger.
func (discardLogger) Info(string, ...any) {}

// Warn implements log.Logger.
func (discardLogger) Warn(string, ...any) {}

// Error implements log.Logger.
func (discardLogger) Error(string, ...any) {}
