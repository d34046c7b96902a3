// Package process holds what all programs of the service share: configuration, logging, shutdown on a signal,
// metrics, and connecting to Temporal and Postgres.
package process

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"minigroups/config"
)

// Main runs a program until it ends or receives SIGINT or SIGTERM, and returns its exit code: 0 for success, 1 for an
// error of run, 2 for wrong arguments or configuration. Errors are printed to standard error. flags has the program's
// name and its own flags; Main adds those that all programs have, and parses args, without the name. required lists the
// configuration keys that the program needs. Main logs a warning for each setting that is rarely meant.
func Main(
	flags *flag.FlagSet, args []string, run func(context.Context, config.Config, *Signals) error, required ...string,
) int {
	name := flags.Name()
	path := flags.String("config", "", "configuration file (YAML); also MINIGROUPS_CONFIG")
	version := flags.Bool("version", false, "print the version and the revision, and exit")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *version {
		fmt.Println(name, Built())
		return 0
	}
	cfg, err := Load(*path, os.Environ(), required...)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 2
	}
	collectSeldom()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	signals, flushTraces, err := newSignals(ctx, name, cfg)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 2
	}
	defer signals.Log.Close()
	defer flushTraces()
	if profile, err := loadProfile(os.Environ()); err == nil { // Load has reported an error
		for _, line := range (settings{Config: cfg, profile: profile}).warnings(name) {
			signals.Log.Warn(line)
		}
	}
	if err := run(ctx, cfg, signals); err != nil {
		_ = signals.Log.Sync() // the log lines that led to the error come before it
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}

// collectSeldom lets the heap grow to five times what is in use, unless GOGC says something else. What is in use is a
// few MB, so with the default the service collects garbage many times a second under load.
func collectSeldom() {
	const usual = 100
	if before := debug.SetGCPercent(400); before != usual {
		debug.SetGCPercent(before)
	}
}
