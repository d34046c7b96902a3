package workflows

import (
	"github.com/google/uuid"
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
	"minigroups/minigroup"
)

// RecreateInput is the input of RecreateMinigroup. Fields are only ever added.
type RecreateInput struct {
	UpdateInput
	// Abandoned says that the run which was carrying this recreate out is gone: it comes to nothing.
	Abandoned bool `json:"abandoned,omitempty"`
}

// RecreateMinigroup gives a minigroup a new event room and a new conference room in place of those it has. Until it has both,
// nothing is changed, and a refusal, the end of patience and a cancel close what was made; then one transaction puts the new
// rooms in the place of the old. The run ends as CreateMinigroup does.
func RecreateMinigroup(ctx workflow.Context, in RecreateInput) error {
	ref := activities.UpdateInput{ID: in.UpdateID, ClassID: in.ClassID, Change: in.Change}
	if in.Abandoned {
		var a *activities.Activities
		p := newProgress(ctx, operationUndo, stageUndoing)
		_, err := call(ctx, p, "Take over", persistent, a.TakeRecreate, ref)
		if err == nil {
			err = abandon(ctx, p, ref)
		}
		return ended(ctx, p, nil, err)
	}
	p := newProgress(ctx, operationRecreate, stageUpdating)
	decided, err := recreate(ctx, p, in, ref)
	return ended(ctx, p, decided, err)
}

// recreate returns the reason for which the recreate has failed; nil where it is done.
func recreate(ctx workflow.Context, p *progress, in RecreateInput, ref activities.UpdateInput) (*activities.Failure, error) {
	var a *activities.Activities
	for {
		begun, err := call(ctx, p, "Begin", forward(in.Patience), a.BeginRecreate, ref)
		if err == nil {
			switch {
			case begun.State == minigroup.UpdateDone:
				return nil, nil //nolint:nilnil // no reason and no error: it is done
			case begun.State == minigroup.UpdateFailed:
				return begun.Failure, nil
			case begun.Unfinished != uuid.Nil:
				if err := settleOther(ctx, p, begun.BegunUpdate, in.UpdateInput); err != nil {
					return nil, err
				}
				continue
			}
			err = renew(ctx, p, in, ref, begun)
		}
		if err != nil {
			reason, _, err := giveUp(ctx, p, ref, err, true)
			return reason, err
		}
		ctx, cancel := workflow.NewDisconnectedContext(ctx)
		defer cancel()
		syncGateway(ctx, p, in.ClassID)
		return nil, nil //nolint:nilnil // no reason and no error: it is done
	}
}

// renew makes the new rooms and puts them in the place of the old.
func renew(ctx workflow.Context, p *progress, in RecreateInput, ref activities.UpdateInput, begun activities.BegunRecreate) error {
	var a *activities.Activities
	room := func(attempt uuid.UUID) activities.RoomInput {
		return activities.RoomInput{Draft: begun.Draft, Attempt: attempt, Recreate: in.UpdateID}
	}
	err := parallel(ctx,
		func(ctx workflow.Context) error { return eventRoom(ctx, p, in.Patience, room(begun.EventAttempt)) },
		func(ctx workflow.Context) error {
			made, err := conferenceRoom(ctx, p, in.Patience, room(begun.ConferenceAttempt))
			if err != nil {
				return err
			}
			return do(ctx, p, "Tell the new conference room its host", forward(in.Patience), a.CopyHost,
				activities.CopyHostInput{ClassID: in.ClassID, Room: made})
		},
	)
	if err != nil {
		return err
	}
	return do(ctx, p, "Put the new rooms in place of the old", forward(in.Patience), a.SwapRooms, ref)
}

// abandon ends a recreate that nobody carries out any more and that this run has taken. It changes nothing of one that is decided.
func abandon(ctx workflow.Context, p *progress, ref activities.UpdateInput) error {
	_, _, err := concede(ctx, p, ref, activities.Failure{
		Kind: minigroup.OperationCancelled, Detail: "the run that was recreating this minigroup was ended from outside; it has the rooms it had",
	}, true)
	return err
}

// settleOther brings another operation of the minigroup to its decision that was left undecided by a run that is gone. What
// conference was asked for may have happened; new rooms are not in use before their recreate is decided, and are given up.
func settleOther(ctx workflow.Context, p *progress, begun activities.BegunUpdate, in UpdateInput) error {
	other := activities.UpdateInput{ID: begun.Unfinished, ClassID: in.ClassID}
	if begun.UnfinishedRecreate {
		return abandon(ctx, p, other)
	}
	_, err := settle(ctx, p, other, in.Patience)
	return err
}
