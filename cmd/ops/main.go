package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"minigroups/cmd/internal/process"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run does what args say and returns the exit code.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	a := &app{environ: environ, out: stdout, err: stderr}
	defer a.close()
	root := a.root() //nolint:contextcheck // cobra hands it to the commands
	root.SetArgs(likeTheOthers(args))
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "ops: %v\n", err)
	var failed *failure
	if errors.As(err, &failed) {
		return exitFailure
	}
	fmt.Fprintln(stderr, "See: ops --help")
	return exitUsage
}

// likeTheOthers takes -config and -version with one dash, as the other programs of the service do.
func likeTheOthers(args []string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		if arg == "-version" || arg == "-config" || strings.HasPrefix(arg, "-config=") {
			arg = "-" + arg
		}
		out[i] = arg
	}
	return out
}

// failure is an error of what was to be done, as opposed to how it was asked for.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "ops",
		Short: "Shows what is stuck or has failed, retries, cancels, sweeps, and drains gateways",
		Long: `Shows what is stuck or has failed, retries, cancels, sweeps, and drains gateways.

It needs the configuration of the service (-config FILE, MINIGROUPS_CONFIG or the environment): the database, and
Temporal for what is under way. Times are in UTC. Exit codes: 0 done, 1 failed, 2 not understood.`,
		Version:       process.Version,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	flags := root.PersistentFlags()
	flags.StringVar(&a.configFile, "config", "", "configuration file (YAML); also MINIGROUPS_CONFIG")
	flags.VarP(&a.format, "output", "o", "table for people, json for programs")
	root.AddCommand(
		a.stuck(), a.failed(), a.show(), a.retry(), a.cancel(), a.sweep(), a.lost(), a.backends(), a.drain(), a.undrain(),
	)
	return root
}

// does makes a command do something with the database, which is opened for it.
func (a *app) does(do func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := a.configure(); err != nil {
			return err
		}
		if err := a.open(cmd.Context()); err != nil {
			return &failure{err}
		}
		if err := do(cmd.Context(), args); err != nil {
			var wrong *usageError
			if errors.As(err, &wrong) {
				return err
			}
			return &failure{err}
		}
		return nil
	}
}

// usageError is a mistake in the arguments.
type usageError struct{ words string }

func (e *usageError) Error() string { return e.words }
