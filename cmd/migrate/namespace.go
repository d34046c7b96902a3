package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"minigroups/cmd/internal/process"
	"minigroups/config"
	"minigroups/workflows"
)

// prepareNamespace adds the search attributes and schedules that the Temporal namespace lacks.
func prepareNamespace(ctx context.Context, c client.Client, cfg config.Temporal, log *zap.Logger) error {
	for name, kind := range workflows.SearchAttributes() {
		if err := addSearchAttribute(ctx, c, cfg.Namespace, name, kind); err != nil {
			return fmt.Errorf("add search attribute %s: %w", name, err)
		}
	}
	// Frontends learn of new attributes after some seconds. Until then they refuse to start a run that has them.
	err := process.Await(ctx, "Temporal's search attributes", log, func(ctx context.Context) error {
		return querySearchAttributes(ctx, c, cfg.Namespace)
	})
	if err != nil {
		return err
	}
	log.Info("search attributes are up to date", zap.Int("count", len(workflows.SearchAttributes())))
	if err := workflows.EnsureSchedules(ctx, c, cfg.TaskQueue); err != nil {
		return err
	}
	log.Info("schedules are up to date")
	return nil
}

// addSearchAttribute adds one search attribute. It is no error if the namespace has it already.
func addSearchAttribute(ctx context.Context, c client.Client, namespace, name, kind string) error {
	indexed, err := enumspb.IndexedValueTypeFromString(kind)
	if err != nil {
		return err
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace:        namespace,
		SearchAttributes: map[string]enumspb.IndexedValueType{name: indexed},
	})
	var exists *serviceerror.AlreadyExists
	if errors.As(err, &exists) {
		return nil
	}
	return err
}

// querySearchAttributes runs a query that uses every search attribute. It fails while a frontend does not know one.
func querySearchAttributes(ctx context.Context, c client.Client, namespace string) error {
	names := slices.Sorted(maps.Keys(workflows.SearchAttributes()))
	query := strings.Join(names, " IS NULL AND ") + " IS NULL"
	_, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: namespace, Query: query})
	return err
}
