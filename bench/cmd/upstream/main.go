// Command upstream serves the stand-ins of package upstream at one address.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"minigroups/bench/upstream"
)

func main() {
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "upstream:", err)
		os.Exit(1)
	}
}

func start() error {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on, host:port")
	var c upstream.Config
	// The times were measured with the real services.
	addFlags(&c.Event, "event", 1500*time.Microsecond)
	addFlags(&c.Conference, "conference", 2200*time.Microsecond)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return run(ctx, *listen, c)
}

// addFlags adds the flags of the database of a service.
func addFlags(d *upstream.Database, service string, serviceTime time.Duration) {
	flag.IntVar(&d.Connections, service+"-connections", 10,
		"`number` of "+service+"'s database connections, which overload exhausts; 0: unlimited")
	flag.DurationVar(&d.ServiceTime, service+"-service-time", serviceTime,
		"how long a request to "+service+" holds its connections")
}

func run(ctx context.Context, address string, c upstream.Config) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: upstream.New(c).Handler(), ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })() // does not wait for requests that hang
	if err := server.Serve(listener); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}
