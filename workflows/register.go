package workflows

import (
	"go.temporal.io/sdk/worker"

	"minigroups/activities"
)

// Register registers the sagas and their activities with a worker.
func Register(w worker.Registry, a *activities.Activities) {
	w.RegisterWorkflow(CreateMinigroup)
	w.RegisterWorkflow(UpdateMinigroup)
	w.RegisterWorkflow(RecreateMinigroup)
	w.RegisterWorkflow(UndoMinigroup)
	w.RegisterWorkflow(CloseRoom)
	w.RegisterActivity(a)
}

// RegisterSweeper registers the sweeps and their activities with a worker.
func RegisterSweeper(w worker.Registry, s *activities.Sweeper) {
	w.RegisterWorkflow(SweepClasses)
	w.RegisterWorkflow(SweepGateways)
	w.RegisterActivity(s)
}
