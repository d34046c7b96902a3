package work

import (
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"minigroups/config"
)

// versioning keeps each run on workers of the build that took it, where workers say which build they are. The Worker Deployment
// bears the name of the task queue, as that is what one installation has to itself in a namespace.
func versioning(cfg config.Config) worker.DeploymentOptions {
	if cfg.Worker.BuildID == "" {
		return worker.DeploymentOptions{}
	}
	return worker.DeploymentOptions{
		UseVersioning:             true,
		Version:                   worker.WorkerDeploymentVersion{DeploymentName: cfg.Temporal.TaskQueue, BuildID: cfg.Worker.BuildID},
		DefaultVersioningBehavior: workflow.VersioningBehaviorPinned,
	}
}
