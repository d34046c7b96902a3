package workflows

import (
	"github.com/google/uuid"
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
	"minigroups/minigroup"
)

// UndoInput is the input of UndoMinigroup. Fields are only ever added.
type UndoInput struct {
	ClassID uuid.UUID `json:"class_id"`
}

// UndoMinigroup undoes a create whose run is gone. It changes nothing of a minigroup that is ready or failed.
func UndoMinigroup(ctx workflow.Context, in UndoInput) error {
	p := newProgress(ctx, operationUndo, stageUndoing)
	_, _, err := undo(ctx, p, in.ClassID, nil, activities.Failure{
		Kind: minigroup.OperationCancelled, Detail: "the run that was creating this minigroup was ended from outside; everything was undone",
	})
	if err != nil {
		return p.stopped(ctx, err)
	}
	return p.done(ctx)
}

// undo closes what a create has made, as the ledger knows it: workflow memory may have forgotten steps that happened. It
// runs to its end whatever is cancelled and never gives up on a room. It reports whether the minigroup is ready, in which
// case there was nothing to undo, and otherwise the reason that callers are told.
func undo(ctx workflow.Context, p *progress, class uuid.UUID, draft *activities.Draft, reason activities.Failure) (ready bool, told activities.Failure, err error) {
	var a *activities.Activities
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	condemned, err := call(ctx, p, "Condemn what was made", persistent, a.BeginUndo,
		activities.BeginUndoInput{ClassID: class, Draft: draft, Reason: reason})
	if err != nil {
		return false, reason, err
	}
	switch condemned.State {
	case minigroup.Undoing:
	case minigroup.Failed:
		return false, *condemned.Failure, nil
	default:
		return condemned.State == minigroup.Ready, reason, nil
	}
	p.undoing(ctx, reason)
	branches := []func(workflow.Context) error{closing(p, condemned.Rooms)}
	if len(condemned.Reservations) > 0 {
		branches = append(branches, func(ctx workflow.Context) error {
			syncGateway(ctx, p, class)
			return nil
		})
	}
	if err := parallel(ctx, branches...); err != nil {
		return false, reason, err
	}
	for {
		undone, err := call(ctx, p, "Mark as failed", persistent, a.EndUndo, activities.ClassRef{ID: class})
		if err != nil || len(undone.Open) == 0 {
			return false, undone.Reason, err
		}
		if err := closing(p, undone.Open)(ctx); err != nil { // replies that came after all
			return false, reason, err
		}
	}
}

// closing closes rooms at the same time, so that one service that is down does not keep rooms of the other open.
func closing(p *progress, rooms []activities.Room) func(workflow.Context) error {
	return func(ctx workflow.Context) error {
		branches := make([]func(workflow.Context) error, len(rooms))
		for i, room := range rooms {
			branches[i] = func(ctx workflow.Context) error { return closeRoom(ctx, p, room) }
		}
		return parallel(ctx, branches...)
	}
}

func closeRoom(ctx workflow.Context, p *progress, room activities.Room) error {
	var a *activities.Activities
	return do(ctx, p, summary("Close %s room %s", room.Kind, room.ID), persistent, a.CloseRoomIfPresent, room)
}

// project gives the gateways one try to show what the ledger says. What fails stays on the ledger.
func syncGateway(ctx workflow.Context, p *progress, class uuid.UUID) {
	var a *activities.Activities
	if err := do(ctx, p, "Bring the gateway up to date", once, a.SyncGateways, activities.ClassRef{ID: class}); err != nil {
		workflow.GetLogger(ctx).Warn("the gateway is behind the ledger", "class_id", class, "error", err)
	}
}
