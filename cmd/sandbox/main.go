package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}

// run serves until the context ends, which is not an error. It writes one line per address to stdout when all of them
// accept connections.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	options, err := parse(args, stdout)
	if err != nil {
		return err
	}
	standIns, err := options.standIns() //nolint:contextcheck // close ends them
	if err != nil {
		return err
	}
	defer standIns.close()
	if err := standIns.listen(ctx); err != nil {
		return err
	}
	var addresses strings.Builder
	for _, s := range standIns {
		fmt.Fprintf(&addresses, "%-12s http://%s\n", s.name, s.listener.Addr())
	}
	if _, err := io.WriteString(stdout, addresses.String()); err != nil {
		return fmt.Errorf("print addresses: %w", err)
	}
	return standIns.serve(ctx)
}

// standIn is a handler and the address at which it is served.
type standIn struct {
	name     string
	address  string
	handler  http.Handler
	closers  []io.Closer
	listener net.Listener
}

type standIns []*standIn

func (all standIns) listen(ctx context.Context) error {
	var config net.ListenConfig
	for _, s := range all {
		listener, err := config.Listen(ctx, "tcp", s.address)
		if err != nil {
			return fmt.Errorf("listen for %s (flag -%s): %w", s.name, s.name, err)
		}
		s.listener = listener
	}
	return nil
}

// serve returns when the context ends or a listener fails. It does not wait for requests: it closes their connections.
func (all standIns) serve(ctx context.Context) error {
	failed := make(chan error, len(all))
	for _, s := range all {
		server := &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second}
		defer func() { _ = server.Close() }()
		go func() { failed <- fmt.Errorf("serve %s: %w", s.name, server.Serve(s.listener)) }()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

func (all standIns) close() {
	for _, s := range all {
		if s.listener != nil {
			_ = s.listener.Close()
		}
		for _, c := range s.closers {
			_ = c.Close()
		}
	}
}
