// Package process is what every program of the service does alike: read its configuration, log, end on a signal, show
// metrics, reach Temporal and Postgres.
package process

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"minigroups/config"
	"minigroups/storage"
)

// Main runs a program until it ends or is told to (SIGINT, SIGTERM), and returns its exit code. Mistakes in the
// configuration and failures are one message each on standard error. required are the configuration keys without which
// the program cannot work.
func Main(name string, run func(context.Context, config.Config, *Signals) error, required ...string) int {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	path := flags.String("config", "", "configuration file (YAML); also MINIGROUPS_CONFIG")
	version := flags.Bool("version", false, "say which version this is")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return 2
	}
	if *version {
		fmt.Println(name, Version)
		return 0
	}
	cfg, err := config.Load(*path, os.Environ(), required...)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	signals, sendTraces, err := newSignals(ctx, name, cfg)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 2
	}
	defer signals.Log.Close()
	defer sendTraces()
	if err := run(ctx, cfg, signals); err != nil {
		_ = signals.Log.Sync() // what has led to it comes first
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}

// newServer makes a server that no caller can hold up for long, however slowly it sends or reads. A request may be worked on
// for longer than it may take to arrive.
func newServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: config.MaxWait + 30*time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
}

// Serve answers HTTP requests on the address until ctx ends. Then it goes on for delay, but keeps no connection, and waits for
// the requests under way, at most for drain.
func Serve(ctx context.Context, address string, handler http.Handler, delay, drain time.Duration) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	server := newServer(handler)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", address, err)
	case <-ctx.Done():
	}
	server.SetKeepAlivesEnabled(false)
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", address, err)
	case <-time.After(delay):
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err = server.Shutdown(last)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(fmt.Errorf("serve %s: requests were cut after %s", address, drain), server.Close())
	}
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// Temporal makes a client that connects when it is first used, so that reads work while Temporal is away. The signals
// tell of its runs.
func Temporal(cfg config.Temporal, s *Signals) (client.Client, error) {
	o := client.Options{
		HostPort: cfg.Address, Namespace: cfg.Namespace,
		// Temporal is near, and messages are small: packing them costs both sides more than it saves.
		ConnectionOptions: client.ConnectionOptions{GrpcCompression: &client.GrpcCompressionNone{}},
	}
	if err := s.tellOfRuns(&o); err != nil {
		return nil, err
	}
	c, err := client.NewLazyClient(o)
	if err != nil {
		return nil, fmt.Errorf("make Temporal client: %w", err)
	}
	return c, nil
}

// ReachTemporal is Temporal for programs that can do nothing without it: it waits until Temporal answers.
func ReachTemporal(ctx context.Context, cfg config.Temporal, s *Signals) (client.Client, error) {
	c, err := Temporal(cfg, s)
	if err != nil {
		return nil, err
	}
	err = Await(ctx, "Temporal", s.Log.Logger, func(ctx context.Context) error {
		_, err := c.CheckHealth(ctx, &client.CheckHealthRequest{})
		return err
	})
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// startup is how long a program waits for what it needs before it gives up.
const startup = time.Minute

// Database opens the database and waits until it can be reached. A schema that is too old is an error at once, which says
// what to run. The signals tell of its queries.
func Database(ctx context.Context, cfg config.Config, s *Signals) (*storage.Store, error) {
	o := storage.Options{URL: cfg.Database.URL.Reveal(), MaxConns: cfg.Database.MaxConns, PublishEvents: cfg.MQTT.Broker != ""}
	s.tellOfQueries(&o)
	store, err := storage.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := Await(ctx, "the database", s.Log.Logger, store.Ready); err != nil {
		store.Close()
		return nil, err
	}
	return store, nil
}

// Await tries until what a program needs is there, at most a minute.
func Await(ctx context.Context, what string, log *zap.Logger, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startup)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		err := try(ctx)
		var final *storage.SchemaError
		if err == nil || errors.As(err, &final) {
			return err
		}
		log.Warn("waiting for "+what, zap.Error(err))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is out of reach: %w", what, err)
		}
	}
}
