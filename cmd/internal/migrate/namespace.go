package migrate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"minigroups/cmd/internal/process"
	"minigroups/config"
	"minigroups/workflows"
)

// prepareNamespace adds the search attributes and schedules that the Temporal namespace lacks. It returns an error, and
// adds nothing, if the namespace has a search attribute with another type.
func prepareNamespace(ctx context.Context, c client.Client, cfg config.Temporal, log *zap.Logger) error {
	missing, err := missingAttributes(ctx, c, cfg)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		_, err := c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
			Namespace: cfg.Namespace, SearchAttributes: missing,
		})
		if isRefused(err) {
			err = fmt.Errorf("%w: %s", err, addAttributes(cfg, missing))
		}
		if err != nil {
			return fmt.Errorf("add search attributes: %w", err)
		}
	}
	// Frontends learn of new attributes after some seconds. Until then they refuse to start a run that has them.
	err = process.Await(ctx, "Temporal's search attributes", log, func(ctx context.Context) error {
		return querySearchAttributes(ctx, c, cfg.Namespace)
	})
	if err != nil {
		return err
	}
	log.Info("search attributes are up to date", zap.Int("added", len(missing)))
	if err := workflows.EnsureSchedules(ctx, c, cfg.TaskQueue); err != nil {
		return err
	}
	log.Info("schedules are up to date")
	return nil
}

// missingAttributes returns the search attributes that the namespace lacks.
func missingAttributes(
	ctx context.Context, c client.Client, cfg config.Temporal,
) (map[string]enumspb.IndexedValueType, error) {
	missing, err := workflows.MissingSearchAttributes(ctx, c, cfg.Namespace)
	var wrong *workflows.NamespaceError
	if errors.As(err, &wrong) {
		return nil, fmt.Errorf(
			"namespace %s belongs to something else, or an attribute has to be removed: %w", cfg.Namespace, err)
	}
	if err != nil {
		return nil, fmt.Errorf("namespace %s: %w", cfg.Namespace, err)
	}
	return missing, nil
}

// querySearchAttributes runs a query that uses every search attribute. It fails while a frontend does not know one.
func querySearchAttributes(ctx context.Context, c client.Client, namespace string) error {
	names := slices.Sorted(maps.Keys(workflows.SearchAttributes()))
	query := strings.Join(names, " IS NULL AND ") + " IS NULL"
	_, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: namespace, Query: query})
	return err
}
