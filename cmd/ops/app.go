package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"go.temporal.io/sdk/client"

	"minigroups/cmd/internal/process"
	"minigroups/config"
	"minigroups/storage"
	"minigroups/workflows"
)

// reachable is how long the database and Temporal may take to answer.
const reachable = 5 * time.Second

// app is what the commands work with.
type app struct {
	environ    []string
	out, err   io.Writer
	configFile string
	format     format

	cfg      config.Config
	store    *storage.Store
	temporal client.Client
}

func (a *app) configure() (err error) {
	a.cfg, err = config.Load(a.configFile, a.environ, config.ForOps...)
	return err
}

// open opens the database and the client of Temporal, which connects when it is first used.
func (a *app) open(ctx context.Context) (err error) {
	a.store, err = storage.Open(ctx, storage.Options{URL: a.cfg.Database.URL.Reveal(), MaxConns: a.cfg.Database.MaxConns})
	if err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, reachable)
	defer cancel()
	if err := a.store.Ready(short); err != nil {
		return fmt.Errorf("the database (database.url) cannot be used: %w", err)
	}
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

// reachTemporal says what is wrong where Temporal does not answer.
func (a *app) reachTemporal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reachable)
	defer cancel()
	if _, err := a.temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return fmt.Errorf("no Temporal within reach at %s (temporal.address): %w", a.cfg.Temporal.Address, err)
	}
	return nil
}

func (a *app) starter() *workflows.Starter {
	return workflows.NewStarter(a.temporal, a.store, a.cfg.Temporal.TaskQueue, a.cfg.Saga.RetryBudget)
}

// tell says something to people, beside what is printed.
func (a *app) tell(format string, args ...any) { fmt.Fprintf(a.err, format+"\n", args...) }
