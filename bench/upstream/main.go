// Command upstream stands in for event, conference and a Janus gateway where only time is of interest: it answers every call in
// the right form after a given delay and remembers nothing. It listens on one address: event is at /event, conference at
// /conference and the gateway's Admin API at /janus.
//
// The audience of a request decides what becomes of it: see the constants of package behaviour. PUT /delay?is=10ms sets the
// delay from then on, GET /calls tells how many calls of each kind were answered.
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
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to answer on, host:port")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "upstream:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: newUpstream().handler(), ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })() // what hangs is not waited for
	if err := server.Serve(listener); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}
