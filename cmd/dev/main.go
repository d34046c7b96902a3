package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, force, stop := signals()
	err := run(ctx, force, workspace{root: ".", dir: ".dev"}, os.Args[1:], os.Environ(), os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dev:", err)
		os.Exit(1)
	}
}

// run executes the command in args: run if there is none. After the word cluster the command is for the cluster. The
// command run returns nil when ctx ends. When force ends, it kills the programs that have not stopped yet.
func run(ctx, force context.Context, ws workspace, args, environ []string, out io.Writer) error {
	command, as := "run", single
	if len(args) > 0 && args[0] == "cluster" {
		ws, as, args = ws.cluster(), clustered, args[1:]
	}
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "run":
		return runSystem(ctx, force, ws, as, environ, out)
	case "token":
		return printToken(ws, args, out)
	case "clean":
		return clean(ws, out)
	default:
		return fmt.Errorf("unknown command %q: there are run, token and clean", command)
	}
}

// signals returns a context that ends with the first SIGINT, SIGTERM or SIGHUP, and one that ends with the second.
func signals() (ctx, force context.Context, stop func()) {
	ctx, first := context.WithCancel(context.Background())
	force, second := context.WithCancel(context.Background())
	received := make(chan os.Signal, 2)
	signal.Notify(received, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for range received {
			if ctx.Err() != nil {
				second()
			}
			first()
		}
	}()
	return ctx, force, func() {
		signal.Stop(received)
		close(received)
	}
}
