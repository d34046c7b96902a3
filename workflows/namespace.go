package workflows

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
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"
)

// NamespaceError says what the Temporal namespace lacks, in words that may be shown to anyone.
type NamespaceError struct{ Detail string }

func (e *NamespaceError) Error() string { return e.Detail }

// CheckNamespace returns a *NamespaceError if the namespace does not exist, or lacks search attributes or schedules
// that the command migrate adds. Any other error says that Temporal has not answered.
func CheckNamespace(ctx context.Context, c client.Client, namespace string) error {
	missing, err := MissingSearchAttributes(ctx, c, namespace)
	var none *serviceerror.NamespaceNotFound
	switch {
	case errors.As(err, &none):
		return &NamespaceError{fmt.Sprintf("namespace %s does not exist: create it and run migrate", namespace)}
	case err != nil:
		return err
	case len(missing) > 0:
		names := strings.Join(slices.Sorted(maps.Keys(missing)), ", ")
		return &NamespaceError{"search attributes are missing: run migrate to add " + names}
	}
	var group errgroup.Group
	for _, id := range []string{ScheduleClasses, ScheduleGateways} {
		group.Go(func() error { return checkSchedule(ctx, c, id) })
	}
	return group.Wait()
}

// checkSchedule returns a *NamespaceError if a schedule does not exist or is paused.
func checkSchedule(ctx context.Context, c client.Client, id string) error {
	described, err := c.ScheduleClient().GetHandle(ctx, id).Describe(ctx)
	var none *serviceerror.NotFound
	switch {
	case errors.As(err, &none):
		return &NamespaceError{fmt.Sprintf("schedule %s is missing: run migrate", id)}
	case err != nil:
		return fmt.Errorf("describe schedule %s: %w", id, err)
	case described.Schedule.State.Paused:
		return &NamespaceError{fmt.Sprintf("schedule %s is paused", id)}
	default:
		return nil
	}
}

// MissingSearchAttributes returns the search attributes that the namespace lacks, with their types. It returns a
// *NamespaceError if the namespace has one of them with another type.
func MissingSearchAttributes(
	ctx context.Context, c client.Client, namespace string,
) (map[string]enumspb.IndexedValueType, error) {
	listed, err := c.OperatorService().ListSearchAttributes(ctx,
		&operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return nil, fmt.Errorf("list search attributes: %w", err)
	}
	return compareSearchAttributes(listed.GetCustomAttributes())
}

// compareSearchAttributes returns what a namespace lacks that has these search attributes, as MissingSearchAttributes
// does.
func compareSearchAttributes(
	found map[string]enumspb.IndexedValueType,
) (missing map[string]enumspb.IndexedValueType, err error) {
	missing = map[string]enumspb.IndexedValueType{}
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(SearchAttributes())) {
		expected, err := enumspb.IndexedValueTypeFromString(SearchAttributes()[name])
		if err != nil {
			return nil, err
		}
		switch has, ok := found[name]; {
		case !ok:
			missing[name] = expected
		case has != expected:
			wrong = append(wrong, fmt.Sprintf("%s is %s, expected %s", name, has, expected))
		}
	}
	if len(wrong) > 0 {
		return nil, &NamespaceError{"search attributes have another type: " + strings.Join(wrong, "; ")}
	}
	return missing, nil
}
