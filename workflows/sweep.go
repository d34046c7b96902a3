package workflows

import (
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
)

// SweepClasses heals what runs that are gone have left behind, and ends classes that are over. It is started by a schedule and
// waits for another service for seconds at most.
func SweepClasses(ctx workflow.Context) (activities.SweptClasses, error) {
	var s *activities.Sweeper
	var swept activities.SweptClasses
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, sweepOptions("Look for sagas without a run")), s.SweepClasses).Get(ctx, &swept)
	return swept, err
}

// SweepGateways brings the gateways back to what the ledger says. It is started by a schedule.
func SweepGateways(ctx workflow.Context) (activities.SweptGateways, error) {
	var s *activities.Sweeper
	var swept activities.SweptGateways
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, sweepOptions("Compare the gateways with the ledger")), s.SweepGateways).Get(ctx, &swept)
	return swept, err
}
