package workflows

import (
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
)

// CloseRoom closes one condemned room, however long it takes. A room that the ledger does not condemn is left alone.
func CloseRoom(ctx workflow.Context, in activities.Room) error {
	p := newProgress(ctx, operationClose, stageClosing)
	if err := closeRoom(ctx, p, in); err != nil {
		return p.stopped(ctx, err)
	}
	return p.done(ctx)
}
