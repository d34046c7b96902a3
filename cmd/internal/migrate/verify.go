package migrate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"minigroups/cmd/internal/process"
	"minigroups/config"
	"minigroups/workflows"
)

// verify returns nil if migrate has nothing to add to the schema and to the Temporal namespace. It changes nothing. The
// error says what is missing and, for what migrate may not be allowed to add, which command adds it.
func verify(ctx context.Context, cfg config.Config, signals *process.Signals) error {
	store, databaseErr := process.Database(ctx, cfg, signals)
	if databaseErr == nil {
		store.Close()
	}
	c, err := process.ReachTemporal(ctx, cfg.Temporal, signals)
	if err != nil {
		return errors.Join(databaseErr, err)
	}
	defer c.Close()
	if err := errors.Join(databaseErr, verifyNamespace(ctx, c, cfg)); err != nil {
		return err
	}
	signals.Log.Info("nothing is missing")
	return nil
}

// verifyNamespace returns nil if the Temporal namespace has what the programs need.
func verifyNamespace(ctx context.Context, c client.Client, cfg config.Config) error {
	if err := checkRetention(ctx, c, cfg); err != nil {
		return err
	}
	missing, err := missingAttributes(ctx, c, cfg.Temporal)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		names := strings.Join(slices.Sorted(maps.Keys(missing)), ", ")
		return fmt.Errorf("namespace %s lacks the search attributes %s: run migrate, or %s",
			cfg.Temporal.Namespace, names, addAttributes(cfg.Temporal, missing))
	}
	return workflows.CheckNamespace(ctx, c, cfg.Temporal.Namespace)
}

// isRefused reports whether Temporal does not let this program do something, or offers it in another way, as Temporal
// Cloud does.
func isRefused(err error) bool {
	var denied *serviceerror.PermissionDenied
	var unimplemented *serviceerror.Unimplemented
	return errors.As(err, &denied) || errors.As(err, &unimplemented)
}

// addAttributes returns the commands with which an administrator adds search attributes.
func addAttributes(cfg config.Temporal, missing map[string]enumspb.IndexedValueType) string {
	var own, cloud strings.Builder
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		fmt.Fprintf(&own, " --name %s --type %s", name, missing[name])
		fmt.Fprintf(&cloud, " --search-attribute %s=%s", name, missing[name])
	}
	return administrator(
		fmt.Sprintf("temporal operator search-attribute create --address %s --namespace %s%s",
			cfg.Address, cfg.Namespace, own.String()),
		fmt.Sprintf("tcld namespace search-attributes add --namespace %s%s", cfg.Namespace, cloud.String()))
}

// createNamespace returns the commands with which an administrator creates the namespace.
func createNamespace(cfg config.Temporal) string {
	return administrator(
		fmt.Sprintf("temporal operator namespace create --address %s --namespace %s --retention 72h",
			cfg.Address, cfg.Namespace),
		fmt.Sprintf("tcld namespace create --namespace %s --region REGION --retention-days 3", cfg.Namespace))
}

func administrator(own, cloud string) string {
	return fmt.Sprintf("have an administrator run\n  %s\nor, on Temporal Cloud,\n  %s", own, cloud)
}
