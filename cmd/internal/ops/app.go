package ops

import (
	"context"
	"fmt"
	"io"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"minigroups/cmd/internal/process"
	"minigroups/config"
	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/workflows"
)

// backendTimeout bounds each check of the database and each request to Temporal.
const backendTimeout = 5 * time.Second

// app holds what the commands share: flags, configuration and connections.
type app struct {
	environ    []string
	out, err   io.Writer
	configFile string
	format     format

	cfg      config.Config
	store    *storage.Store
	temporal client.Client
	// failures decrypts why steps have failed.
	failures converter.FailureConverter
}

func (a *app) configure() (err error) {
	a.cfg, err = process.Load(a.configFile, a.environ, config.ForOps...)
	return err
}

// open connects to the database and makes a Temporal client, which connects on first use.
func (a *app) open(ctx context.Context) (err error) {
	if a.store, err = storage.Open(ctx, process.DatabaseOptions(a.cfg, "ops")); err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	if err := process.CheckDatabase(short, a.store); err != nil {
		return fmt.Errorf("cannot use the database, check database.url: %w", err)
	}
	encryption, err := process.NewCodec(a.cfg.Temporal)
	if err != nil {
		return err
	}
	a.failures = encryption.FailureConverter()
	a.temporal, err = process.Temporal(a.cfg.Temporal, process.Silent())
	return err
}

func (a *app) close() {
	if a.temporal != nil {
		a.temporal.Close()
	}
	if a.store != nil {
		a.store.Close()
	}
}

// checkTemporal returns an error that names the address if Temporal does not answer.
func (a *app) checkTemporal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	if _, err := a.temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return fmt.Errorf("cannot reach Temporal at %s, check temporal.address: %w", a.cfg.Temporal.Address, err)
	}
	return nil
}

// minigroup reads the minigroup that the arguments of a command name.
func (a *app) minigroup(ctx context.Context, args []string) (minigroup.Minigroup, error) {
	key, err := keyFrom(args)
	if err != nil {
		return minigroup.Minigroup{}, err
	}
	return a.store.Read(ctx, key)
}

func (a *app) starter() *workflows.Starter {
	return workflows.NewStarter(a.temporal, a.store, a.cfg.Temporal.TaskQueue, a.cfg.Saga.RetryBudget)
}

// notef prints a line for people to standard error, so that standard output stays readable for programs.
func (a *app) notef(format string, args ...any) { fmt.Fprintf(a.err, format+"\n", args...) }
