package workflows

import (
	"context"

	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
)

// SweepClasses recovers the sagas whose run is gone and ends the classes that are over. A schedule starts it. Its parts
// are activities of their own: a part that is slow or fails delays no other. It returns the counts of those that have
// succeeded, and the first error.
func SweepClasses(ctx workflow.Context) (activities.SweptClasses, error) {
	var s *activities.Sweeper
	start := func(title string, part func(context.Context) (activities.SweptClasses, error)) workflow.Future {
		return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, sweepOptions(title)), part)
	}
	var swept activities.SweptClasses
	var firstErr error
	add := func(part workflow.Future) {
		var result activities.SweptClasses
		if err := part.Get(ctx, &result); err == nil {
			swept.Add(result)
		} else if firstErr == nil {
			firstErr = err
		}
	}
	// Comes first, because it marks rooms for closing.
	add(start("Record attempts whose deadline has passed", s.ExpireAttempts))
	for _, part := range []workflow.Future{
		start("End the classes that are over", s.EndClasses),
		start("Look for sagas without a run", s.RecoverSagas),
		start("Start runs that close rooms", s.StartClosings),
		start("Look up conference rooms", s.LookUpRooms),
		start("Purge what is older than the retention", s.PurgeHistory),
	} {
		add(part)
	}
	return swept, firstErr
}

// SweepGateways brings the gateways to what the ledger says. A schedule starts it.
func SweepGateways(ctx workflow.Context) (activities.SweptGateways, error) {
	var s *activities.Sweeper
	var swept activities.SweptGateways
	ctx = workflow.WithActivityOptions(ctx, sweepOptions("Compare the gateways with the ledger"))
	err := workflow.ExecuteActivity(ctx, s.SweepGateways).Get(ctx, &swept)
	return swept, err
}
