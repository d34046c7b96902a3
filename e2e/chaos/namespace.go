package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"minigroups/e2e/harness"
)

const (
	temporalNamespace = "default"
	// namespaceFault is the name under which the deletion is logged.
	namespaceFault = "temporal namespace"
	// namespaceTimeout bounds the restoration of the namespace. Postgres, which migrate needs, may be down meanwhile.
	namespaceTimeout = 3 * time.Minute
	// forgottenAfter is how long after its restoration a frontend may still not know the namespace.
	forgottenAfter = 15 * time.Second
)

// deleteNamespace deletes Temporal's namespace once, some seconds after the begin, and restores it as an operator does:
// it creates an empty one and runs migrate. All histories and both schedules are lost; the ledger is what remains.
func (s *system) deleteNamespace(ctx context.Context, seed uint64) error {
	rnd := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // reproducible by the seed
	harness.Pause(ctx, time.Duration(3000+rnd.IntN(5000))*time.Millisecond)
	// A dev server that starts creates the namespace.
	for !s.temporal.TryHold() {
		if harness.Pause(ctx, 50*time.Millisecond); ctx.Err() != nil {
			return nil
		}
	}
	defer s.temporal.Release()
	if ctx.Err() != nil {
		return nil
	}
	defer s.faults.Begin(namespaceFault, "delete the namespace")()
	for { // a dev server that has just started may not answer yet
		_, err := s.client.OperatorService().DeleteNamespace(ctx,
			&operatorservice.DeleteNamespaceRequest{Namespace: temporalNamespace})
		var away *serviceerror.Unavailable
		if err == nil || ctx.Err() != nil {
			break
		}
		if !errors.As(err, &away) {
			return fmt.Errorf("delete the namespace: %w", err)
		}
		harness.Pause(ctx, 50*time.Millisecond)
	}
	harness.Pause(ctx, time.Duration(1000+rnd.IntN(9000))*time.Millisecond)
	return s.restoreNamespace(context.WithoutCancel(ctx))
}

// restoreNamespace creates the namespace and runs migrate until it succeeds.
func (s *system) restoreNamespace(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, namespaceTimeout)
	defer cancel()
	for {
		_, err := s.client.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
			Namespace: temporalNamespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
		})
		var exists *serviceerror.NamespaceAlreadyExists
		if err == nil || errors.As(err, &exists) {
			err = s.migrate(ctx)
		}
		if err == nil {
			return nil
		}
		if harness.Pause(ctx, time.Second); ctx.Err() != nil {
			return fmt.Errorf("restore the namespace: %w", err)
		}
	}
}

// mayRefuse reports whether Temporal may refuse requests at some time of a period, because it has no namespace, or one
// without search attributes.
func (s *system) mayRefuse(from, to time.Time) bool {
	return len(s.faults.During(namespaceFault, from.Add(-forgottenAfter), to)) > 0
}
