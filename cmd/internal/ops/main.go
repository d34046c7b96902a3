package ops

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

// Main runs the program with its arguments and returns its exit code.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	defer stop()
	return run(ctx, args, os.Environ(), os.Stdout, os.Stderr)
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	a := &app{environ: environ, out: stdout, err: stderr}
	defer a.close()
	root := a.root() //nolint:contextcheck // cobra passes the context to the commands
	root.SetArgs(acceptSingleDash(args))
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "ops: %v\n", err)
	var failed *commandError
	if errors.As(err, &failed) {
		return exitFailure
	}
	fmt.Fprintf(stderr, "For usage: %s --help\n", cmd.CommandPath())
	return exitUsage
}

// acceptSingleDash rewrites -config and -version to their two-dash form. The other programs of the service take them
// with one dash.
func acceptSingleDash(args []string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		if arg == "-version" || arg == "-config" || strings.HasPrefix(arg, "-config=") {
			arg = "-" + arg
		}
		out[i] = arg
	}
	return out
}

// commandError is a command that was understood and failed (exit code 1). All other errors are usage errors (exit
// code 2).
type commandError struct{ err error }

func (e *commandError) Error() string { return e.err.Error() }
func (e *commandError) Unwrap() error { return e.err }

// usageError is a mistake in the arguments.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "ops",
		Short: "List stuck and failed minigroups, retry, cancel, sweep, and drain gateways",
		Long: `Lists stuck and failed minigroups, retries and cancels them, triggers sweeps, and drains gateways.

Needs the service's configuration (-config FILE, MINIGROUPS_CONFIG or the environment): database.url, and temporal
for everything that concerns runs. Times are in UTC. Exit codes: 0 success, 1 failure, 2 usage error.`,
		Version:           process.Built(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	flags := root.PersistentFlags()
	flags.StringVar(&a.configFile, "config", "", "configuration file (YAML); also MINIGROUPS_CONFIG")
	flags.VarP(&a.format, "output", "o", "output format: table, or json for programs")
	root.AddCommand(
		a.stuck(), a.failed(), a.show(), a.retry(), a.cancel(), a.failUpdate(), a.release(), a.outbox(), a.erase(),
		a.sweep(), a.lost(), a.backends(), a.drain(), a.undrain(), a.reconcile(),
		a.importCommand(), a.exportCommand(), a.codecServer(), a.runbook(),
	)
	return root
}

// connected wraps the body of a command: it loads the configuration and opens the database first. An error of the
// body becomes a commandError, unless it is a usageError.
func (a *app) connected(body func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := a.configure(); err != nil {
			return err
		}
		if err := a.open(cmd.Context()); err != nil {
			return &commandError{err}
		}
		if err := body(cmd.Context(), args); err != nil {
			var usage *usageError
			if errors.As(err, &usage) {
				return err
			}
			return &commandError{err}
		}
		return nil
	}
}
