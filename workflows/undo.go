package workflows

import (
	"github.com/google/uuid"
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
)

// UndoInput is the input of UndoMinigroup. Fields are only ever added.
type UndoInput struct {
	ClassID uuid.UUID `json:"class_id"`
}

// UndoMinigroup undoes a create whose run is gone. It changes nothing when the minigroup is ready or failed.
func UndoMinigroup(ctx workflow.Context, in UndoInput) error {
	p := newProgress(ctx, operationUndo, stageUndoing)
	_, _, err := undo(ctx, p, in.ClassID, nil, runGone)
	if err != nil {
		return p.abort(ctx, err)
	}
	return p.complete(ctx)
}

// runGone is why a create fails whose run is gone.
var runGone = stored.Failure{
	Kind:   minigroup.OperationCancelled,
	Detail: "the run that was creating this minigroup was ended from outside; everything was undone",
}

// undo closes every room and releases every reservation of a create. It takes them from the ledger, because workflow
// memory may have lost steps that happened. It ignores cancels and retries each room without limit.
//
// It returns ready when the minigroup is ready, in which case there is nothing to undo; otherwise the reason that the
// ledger has recorded, which may be that of an earlier undo.
func undo(
	ctx workflow.Context, p *progress, class uuid.UUID, request *stored.CreateRequest, reason stored.Failure,
) (ready bool, recorded stored.Failure, err error) {
	var a *activities.Activities
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	begun, err := executeStep(ctx, p, "Begin the undo", unbounded, a.BeginUndo,
		activities.BeginUndoInput{ClassID: class, Request: request, Reason: reason})
	if err != nil {
		return false, reason, err
	}
	switch begun.State {
	case minigroup.Undoing:
	case minigroup.Failed:
		return false, *begun.Failure, nil
	default:
		return begun.State == minigroup.Ready, reason, nil
	}
	p.startUndo(ctx, reason)
	branches := closings(p, begun.Rooms)
	if len(begun.Reservations) > 0 {
		branches = append(branches, func(ctx workflow.Context) error {
			syncGateway(ctx, p, class)
			return nil
		})
	}
	if err := parallel(ctx, branches...); err != nil {
		return false, reason, err
	}
	for {
		ended, err := executeStep(ctx, p, "End the undo", unbounded, a.EndUndo, activities.ClassRef{ID: class})
		if err != nil || len(ended.Open) == 0 {
			return false, ended.Reason, err
		}
		if err := parallel(ctx, closings(p, ended.Open)...); err != nil { // rooms whose reply arrived meanwhile
			return false, reason, err
		}
	}
}

// closings are branches that close one room each, so that a service that is down delays only its own rooms.
func closings(p *progress, rooms []activities.Room) []func(workflow.Context) error {
	branches := make([]func(workflow.Context) error, len(rooms))
	for i, room := range rooms {
		branches[i] = func(ctx workflow.Context) error { return closeRoom(ctx, p, room) }
	}
	return branches
}

func closeRoom(ctx workflow.Context, p *progress, room activities.Room) error {
	var a *activities.Activities
	return runStep(ctx, p, summary("Close %s room %s", room.Kind, room.ID), unbounded, a.CloseRoomIfPresent, room)
}

// syncGateway makes one attempt to bring the gateways of a class to what the ledger says. After a failure the sweeper
// repeats it.
func syncGateway(ctx workflow.Context, p *progress, class uuid.UUID) {
	var a *activities.Activities
	ref := activities.ClassRef{ID: class}
	if err := runStep(ctx, p, "Bring the gateway up to date", once, a.SyncGateways, ref); err != nil {
		workflow.GetLogger(ctx).Warn("gateway differs from the ledger until the next sweep", "class_id", class, "error", err)
	}
}
