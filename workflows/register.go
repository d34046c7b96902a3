package workflows

import (
	"go.temporal.io/sdk/worker"

	"minigroups/activities"
)

// Register registers the sagas and their activities with a worker.
func Register(w worker.Registry, a *activities.Activities) {
	registerSagas(w)
	w.RegisterActivity(a)
}

// RegisterSweeper registers the sweeps and their activities with a worker.
func RegisterSweeper(w worker.Registry, s *activities.Sweeper) {
	registerSweeps(w)
	w.RegisterActivity(s)
}

// RegisterWorkflows registers all workflows without their activities, as a replay of histories needs them.
func RegisterWorkflows(w worker.WorkflowRegistry) {
	registerSagas(w)
	registerSweeps(w)
}

func registerSagas(w worker.WorkflowRegistry) {
	w.RegisterWorkflow(CreateMinigroup)
	w.RegisterWorkflow(UpdateMinigroup)
	w.RegisterWorkflow(RecreateMinigroup)
	w.RegisterWorkflow(UndoMinigroup)
	w.RegisterWorkflow(CloseRoom)
}

func registerSweeps(w worker.WorkflowRegistry) {
	w.RegisterWorkflow(SweepClasses)
	w.RegisterWorkflow(SweepGateways)
}
