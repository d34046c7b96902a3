// Command migrate brings everything outside the programs to what they need: the schema of the database, the configured
// Janus gateways in it, and the search attributes and schedules of the Temporal namespace. Running it again does no harm.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"minigroups/cmd/internal/process"
	"minigroups/config"
	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/workflows"
)

func main() { os.Exit(process.Main("migrate", run, config.ForMigrate...)) }

func run(ctx context.Context, cfg config.Config, signals *process.Signals) error {
	log := signals.Log
	version, err := storage.Migrate(ctx, cfg.Database.URL.Reveal())
	if err != nil {
		return err
	}
	log.Info("schema is current", zap.Int64("version", version))
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
	log.Info("gateways are current", zap.Int("count", len(backends)))
	c, err := process.ReachTemporal(ctx, cfg.Temporal, signals)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := outlivesRuns(ctx, c, cfg); err != nil {
		return err
	}
	return namespace(ctx, c, cfg.Temporal, signals)
}

// outlivesRuns demands that the ledger remembers what is over for longer than Temporal keeps runs of the namespace.
func outlivesRuns(ctx context.Context, c client.Client, cfg config.Config) error {
	described, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: cfg.Temporal.Namespace})
	if err != nil {
		return fmt.Errorf("describe namespace %s: %w", cfg.Temporal.Namespace, err)
	}
	return outlives(cfg.Retention.History, described.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration())
}

// outlives returns an error where runs are kept as long as the ledger's history: one that is reset when the ledger does not know
// its update any more would carry it out once more.
func outlives(history, runs time.Duration) error {
	if history == 0 || history > runs {
		return nil
	}
	return fmt.Errorf("retention.history is %s, and Temporal keeps runs that have ended for %s: have the ledger remember for longer, or Temporal for less", history, runs)
}

// namespace adds to the Temporal namespace the search attributes and schedules that it lacks.
func namespace(ctx context.Context, c client.Client, cfg config.Temporal, signals *process.Signals) error {
	for name, kind := range workflows.SearchAttributes() {
		indexed, err := enumspb.IndexedValueTypeFromString(kind)
		if err != nil {
			return fmt.Errorf("search attribute %s: %w", name, err)
		}
		_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
			Namespace:        cfg.Namespace,
			SearchAttributes: map[string]enumspb.IndexedValueType{name: indexed},
		})
		var there *serviceerror.AlreadyExists
		if err != nil && !errors.As(err, &there) {
			return fmt.Errorf("add search attribute %s: %w", name, err)
		}
	}
	// Frontends learn of them within seconds; until then they refuse to start a run that has them.
	if err := process.Await(ctx, "Temporal's search attributes", signals.Log.Logger, func(ctx context.Context) error { return searchable(ctx, c, cfg.Namespace) }); err != nil {
		return err
	}
	signals.Log.Info("search attributes are current", zap.Int("count", len(workflows.SearchAttributes())))
	if err := workflows.EnsureSchedules(ctx, c, cfg.TaskQueue); err != nil {
		return err
	}
	signals.Log.Info("schedules are current")
	return nil
}

// searchable reports whether runs can be found by every search attribute.
func searchable(ctx context.Context, c client.Client, namespace string) error {
	names := slices.Sorted(maps.Keys(workflows.SearchAttributes()))
	query := strings.Join(names, " IS NULL AND ") + " IS NULL"
	_, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: namespace, Query: query})
	return err
}
