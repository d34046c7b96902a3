package workflows

import (
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
)

// SweepClasses recovers the sagas whose run is gone and ends the classes that are over. A schedule starts it. It waits
// for other services for seconds at most.
func SweepClasses(ctx workflow.Context) (activities.SweptClasses, error) {
	var s *activities.Sweeper
	var swept activities.SweptClasses
	ctx = workflow.WithActivityOptions(ctx, sweepOptions("Look for sagas without a run"))
	err := workflow.ExecuteActivity(ctx, s.SweepClasses).Get(ctx, &swept)
	return swept, err
}

// SweepGateways brings the gateways to what the ledger says. A schedule starts it.
func SweepGateways(ctx workflow.Context) (activities.SweptGateways, error) {
	var s *activities.Sweeper
	var swept activities.SweptGateways
	ctx = workflow.WithActivityOptions(ctx, sweepOptions("Compare the gateways with the ledger"))
	err := workflow.ExecuteActivity(ctx, s.SweepGateways).Get(ctx, &swept)
	return swept, err
}
