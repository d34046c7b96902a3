package sagaworker

import (
	"cmp"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"minigroups/config"
)

// deploymentOptions pins each run to the build that began it, if worker.build_id is set. By default the Worker
// Deployment is named after the task queue, because no two installations in a namespace share one.
func deploymentOptions(cfg config.Config) worker.DeploymentOptions {
	if cfg.Worker.BuildID == "" {
		return worker.DeploymentOptions{}
	}
	return worker.DeploymentOptions{
		UseVersioning: true,
		Version: worker.WorkerDeploymentVersion{
			DeploymentName: cmp.Or(cfg.Worker.Deployment, cfg.Temporal.TaskQueue), BuildID: cfg.Worker.BuildID,
		},
		DefaultVersioningBehavior: workflow.VersioningBehaviorPinned,
	}
}
