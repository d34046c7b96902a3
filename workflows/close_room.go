package workflows

import (
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
)

// CloseRoom closes one room pending close and retries without limit. It changes nothing when the ledger does not list
// the room as pending close.
func CloseRoom(ctx workflow.Context, in activities.Room) error {
	p := newProgress(ctx, operationClose, stageClosing)
	if err := closeRoom(ctx, p, in); err != nil {
		return p.abort(ctx, err)
	}
	return p.complete(ctx)
}
