package workflows

import "go.temporal.io/sdk/workflow"

// What open runs may have done in another way than new ones do (docs/changing-workflows.md).

// tellsEveryWait says that the services which steps wait for are told whenever they change, and not only when the first
// step begins to wait and the last one ends.
func tellsEveryWait(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "tell every wait", workflow.DefaultVersion, 1) == 1
}
