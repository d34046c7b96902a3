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

// startWithin bounds the start of a process.
const startWithin = time.Minute

// world is what the subjects share: servers, upstreams, keys and programs.
type world struct {
	root, dir, bin string
	progress       io.Writer
	// home is the Temporal of subjects of which nothing else is said.
	home string

	cfg       config.Config // what all instances of the product share
	token     string
	postgres  *stack.Postgres
	upstream  *stack.Process
	upstreams string // their address, http://host:port
	temporals map[string]*stack.Temporal
	systems   map[string]*system

	// parts are all processes, in the order of their start.
	parts []interface {
		Stop(ctx context.Context) error
	}
}

// newWorld makes a world in which nothing is started.
func newWorld(root, home string, progress io.Writer) *world {
	return &world{root: root, home: home, progress: progress, temporals: map[string]*stack.Temporal{}, systems: map[string]*system{}}
}

// open builds the programs and starts what every run needs. stop must be called whatever it returns.
func (w *world) open(ctx context.Context) (err error) {
	if w.dir, err = os.MkdirTemp("", "minigroups-bench"); err != nil {
		return err
	}
	w.bin = filepath.Join(w.dir, "bin")
	if err := stack.BuildPrograms(ctx, w.root, w.bin, w.progress, "./cmd/api", "./cmd/worker", "./cmd/migrate"); err != nil {
		return err
	}
	if err := stack.BuildPrograms(ctx, filepath.Join(w.root, "bench"), w.bin, w.progress, "./cmd/upstream", "./cmd/rival"); err != nil {
		return err
	}
	if err := w.configure(); err != nil {
		return err
	}
	if err := w.startPostgres(ctx); err != nil {
		return err
	}
	return w.startUpstreams(ctx)
}

func (w *world) configure() error {
	w.cfg = config.Default()
	w.cfg.Account.PrivateKeyFile = filepath.Join(w.dir, "key.pem")
	keyPEM, err := stack.WriteKeys(w.cfg.Account.PrivateKeyFile, w.publicKey())
	if err != nil {
		return err
	}
	signer, err := auth.NewSigner(auth.Account{Label: w.cfg.Account.Label, Audience: w.cfg.Account.Audience}, keyPEM)
	if err != nil {
		return err
	}
	const issuer = "iam.example.org"
	if w.token, err = signer.Issue(issuer, "example.org", "dev", time.Now().Add(24*time.Hour)); err != nil {
		return err
	}
	w.cfg.Authentication = map[string]config.Issuer{issuer: {Audiences: []string{"example.org"}, Algorithm: "ES256", PublicKeyFile: w.publicKey()}}
	w.cfg.Authorization = map[string]config.Audience{}
	for _, audience := range upstream.All() {
		w.cfg.Authorization[audience] = config.Audience{Kind: "local", Trusted: []string{"dev.example.org"}}
	}
	w.cfg.Janus.AdminKey, w.cfg.Janus.AdminSecret, w.cfg.Janus.RoomKey = "key", "secret", "room key"
	return nil
}

func (w *world) publicKey() string { return filepath.Join(w.dir, "key.pub.pem") }

// startPostgres: many pools are open at once, and the tables are to fit into memory as they would in production.
func (w *world) startPostgres(ctx context.Context) (err error) {
	w.postgres, err = stack.StartPostgres(ctx, stack.PostgresOptions{
		Log: w.log("postgres"), Settings: []string{"max_connections=600", "shared_buffers=1GB", "max_wal_size=4GB"},
	})
	if err == nil {
		w.parts = append(w.parts, w.postgres)
	}
	return err
}

func (w *world) postgresVersion(ctx context.Context) (version string, err error) {
	conn, err := pgx.Connect(ctx, w.postgres.URL("postgres"))
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	return version, conn.QueryRow(ctx, "SHOW server_version").Scan(&version)
}

func (w *world) startUpstreams(ctx context.Context) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	w.upstreams = "http://" + address
	w.upstream, err = w.start(ctx, "upstream", "upstream", w.upstreams+"/healthz", "-listen", address)
	return err
}

// start starts one of our programs under a name and returns when it answers there; "" is at once.
func (w *world) start(ctx context.Context, name, program, health string, args ...string) (*stack.Process, error) {
	p, err := stack.StartBinary(ctx, name, filepath.Join(w.bin, program), args, nil, w.log(name))
	if err != nil {
		return nil, err
	}
	w.parts = append(w.parts, p)
	if health == "" {
		return p, nil
	}
	return p, p.AwaitHTTP(ctx, startWithin, health)
}

func (w *world) say(format string, args ...any) { fmt.Fprintf(w.progress, format+"\n", args...) }

func (w *world) log(name string) string { return filepath.Join(w.dir, name+".log") }

// stop ends every process, the last first, and removes the folder.
func (w *world) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	for _, s := range w.systems {
		s.thaw()
	}
	for _, p := range slices.Backward(w.parts) {
		if err := p.Stop(ctx); err != nil {
			w.say("%v", err)
		}
	}
	_ = os.RemoveAll(w.dir)
}

func freeAddress() (string, error) {
	port, err := stack.FreePort()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), err
}

// quiet drops what the Temporal SDK has to say.
type quiet struct{}

// Debug drops it.
func (quiet) Debug(string, ...any) {}

// Info drops it.
func (quiet) Info(string, ...any) {}

// Warn drops it.
func (quiet) Warn(string, ...any) {}

// Error drops it.
func (quiet) Error(string, ...any) {}
