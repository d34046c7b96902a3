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
	ctx, hurry, stop := signals()
	err := run(ctx, hurry, place{root: ".", dir: ".dev"}, os.Args[1:], os.Environ(), os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dev:", err)
		os.Exit(1)
	}
}

// run does what args say, after the word cluster to one in the shape that
// production has. It ends well when ctx ends; hurry ends the waiting for programs
// that take their time to stop.
func run(ctx, hurry context.Context, at place, args, environ []string, out io.Writer) error {
	command, as := "run", one
	if len(args) > 0 && args[0] == "cluster" {
		at, as, args = at.cluster(), several, args[1:]
	}
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "run":
		return runStack(ctx, hurry, at, as, environ, out)
	case "token":
		return printToken(at, args, out)
	case "clean":
		return clean(at, out)
	default:
		return fmt.Errorf("unknown command %q: there are run, token and clean", command)
	}
}

// signals gives a context that ends with the first signal to end, and one that
// ends with the second.
func signals() (ctx, hurry context.Context, stop func()) {
	ctx, first := context.WithCancel(context.Background())
	hurry, second := context.WithCancel(context.Background())
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
	return ctx, hurry, func() {
		signal.Stop(received)
		close(received)
	}
}
