// Package migrate is the program that prepares what the programs need: the database schema, the configured Janus
// gateways in the database, and the search attributes and schedules of the Temporal namespace. It is idempotent. With
// -verify it changes nothing and says what is missing.
package migrate

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"minigroups/cmd/internal/process"
	"minigroups/config"
	"minigroups/minigroup"
	"minigroups/storage"
)

// Main runs the program with its arguments and returns its exit code.
func Main(args []string) int {
	flags := flag.NewFlagSet("migrate", flag.ContinueOnError)
	verifyOnly := flags.Bool("verify", false, "change nothing, say what is missing and which command adds it")
	return process.Main(flags, args, func(ctx context.Context, cfg config.Config, signals *process.Signals) error {
		if *verifyOnly {
			return verify(ctx, cfg, signals)
		}
		return migrate(ctx, cfg, signals)
	}, config.ForMigrate...)
}

func migrate(ctx context.Context, cfg config.Config, signals *process.Signals) error {
	log := signals.Log.Logger
	version, err := storage.Migrate(ctx, cfg.Database.URL.Reveal(), func(reason error) {
		log.Warn("waiting for a table; queries go on meanwhile", zap.Error(reason))
	})
	if err != nil {
		return err
	}
	log.Info("schema is up to date", zap.Int64("version", version))
	cfg.Database.Pooler = false // Migrate has seen that there is none
	store, err := process.Database(ctx, cfg, signals)
	if err != nil {
		return err
	}
	defer store.Close()
	backends := make([]minigroup.Backend, len(cfg.Janus.Backends))
	for i, b := range cfg.Janus.Backends {
		backends[i] = minigroup.Backend(b)
	}
	if err := store.SyncBackends(ctx, backends); err != nil {
		return err
	}
	log.Info("gateways are up to date", zap.Int("count", len(backends)))
	c, err := process.ReachTemporal(ctx, cfg.Temporal, signals)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := checkRetention(ctx, c, cfg); err != nil {
		return err
	}
	return prepareNamespace(ctx, c, cfg.Temporal, log)
}

// checkRetention returns an error unless the ledger keeps its history for longer than Temporal keeps closed runs.
func checkRetention(ctx context.Context, c client.Client, cfg config.Config) error {
	described, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{
		Namespace: cfg.Temporal.Namespace,
	})
	var none *serviceerror.NamespaceNotFound
	if errors.As(err, &none) {
		return fmt.Errorf("namespace %s does not exist: %s", cfg.Temporal.Namespace, createNamespace(cfg.Temporal))
	}
	if err != nil {
		return fmt.Errorf("describe namespace %s: %w", cfg.Temporal.Namespace, err)
	}
	return compareRetention(
		cfg.Retention.History, described.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration())
}

// compareRetention returns an error if runs are kept for as long as the ledger's history, or longer. A run that is
// reset after the ledger has purged its update would carry out the update again. A history of 0 is kept permanently.
func compareRetention(history, runs time.Duration) error {
	if history == 0 || history > runs {
		return nil
	}
	return fmt.Errorf("retention.history (%s) must be longer than the time for which Temporal keeps closed runs (%s): "+
		"raise retention.history, or lower the retention of the namespace", history, runs)
}
