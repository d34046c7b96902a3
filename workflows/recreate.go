package workflows

import (
	"github.com/google/uuid"
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
)

// RecreateInput is the input of RecreateMinigroup. Fields are only ever added.
type RecreateInput struct {
	UpdateInput
	// Abandoned says that the run of this recreate is gone. This run marks the recreate as failed.
	Abandoned bool `json:"abandoned,omitempty"`
}

// RecreateMinigroup gives a minigroup a new event room and a new conference room. Until both exist nothing is changed:
// a refusal, the end of the retry budget and a cancel close what was created. Then one transaction swaps the rooms. The
// run ends as that of CreateMinigroup.
func RecreateMinigroup(ctx workflow.Context, in RecreateInput) error {
	ref := activities.UpdateInput{ID: in.UpdateID, ClassID: in.ClassID, Change: in.Change}
	if in.Abandoned {
		var a *activities.Activities
		p := newProgress(ctx, operationUndo, stageUndoing)
		_, err := executeStep(ctx, p, "Take the minigroup over", unbounded, a.TakeRecreate, ref)
		if err == nil {
			err = failAbandoned(ctx, p, ref)
		}
		return endUpdate(ctx, p, nil, err)
	}
	p := newProgress(ctx, operationRecreate, stageUpdating)
	failure, err := recreate(ctx, p, in, ref)
	return endUpdate(ctx, p, failure, err)
}

// recreate returns why the recreate failed; nil when it succeeded.
func recreate(
	ctx workflow.Context, p *progress, in RecreateInput, ref activities.UpdateInput,
) (*stored.Failure, error) {
	var a *activities.Activities
	for {
		begun, err := executeStep(ctx, p, "Begin", bounded(in.MaxAttempts), a.BeginRecreate, ref)
		if err == nil {
			switch {
			case begun.State == minigroup.UpdateDone:
				return nil, nil //nolint:nilnil // no failure and no error: it succeeded
			case begun.State == minigroup.UpdateFailed:
				return begun.Failure, nil
			case begun.Unfinished != uuid.Nil:
				if err = settleUnfinished(ctx, p, begun.BegunUpdate, in.UpdateInput); err == nil {
					continue
				}
			default:
				err = replaceRooms(ctx, p, in, ref, begun)
			}
		}
		if err != nil {
			failure, _, err := failUpdate(ctx, p, ref, err, true)
			return failure, err
		}
		ctx, cancel := workflow.NewDisconnectedContext(ctx)
		defer cancel()
		syncGateway(ctx, p, in.ClassID)
		return nil, nil //nolint:nilnil // no failure and no error: it succeeded
	}
}

// replaceRooms creates the new rooms and swaps them with the old ones.
func replaceRooms(
	ctx workflow.Context, p *progress, in RecreateInput, ref activities.UpdateInput, begun activities.BegunRecreate,
) error {
	var a *activities.Activities
	policy := bounded(in.MaxAttempts)
	room := func(attempt uuid.UUID) activities.RoomInput {
		return activities.RoomInput{
			ClassID: in.ClassID, Draft: begun.Draft, Operation: minigroup.ForRecreate,
			Fingerprint: in.UpdateID.String(), Attempt: attempt,
		}
	}
	err := parallel(ctx,
		func(ctx workflow.Context) error {
			_, err := createEventRoom(ctx, p, policy, room(begun.EventAttempt))
			return err
		},
		func(ctx workflow.Context) error {
			created, err := createConferenceRoom(ctx, p, policy, room(begun.ConferenceAttempt))
			if err != nil {
				return err
			}
			return runStep(ctx, p, "Set the host of the new conference room", policy, a.CopyHost,
				activities.CopyHostInput{ClassID: in.ClassID, Room: created.ID})
		},
	)
	if err != nil {
		return err
	}
	return runStep(ctx, p, "Swap the rooms", policy, a.SwapRooms, ref)
}

// failAbandoned fails a recreate whose run is gone. It changes nothing when the recreate is decided.
func failAbandoned(ctx workflow.Context, p *progress, ref activities.UpdateInput) error {
	_, _, err := failUpdateFor(ctx, p, activities.FailUpdateInput{UpdateInput: ref, Refused: true, Reason: stored.Failure{
		Kind:   minigroup.OperationCancelled,
		Detail: "the run that was recreating this minigroup was ended from outside; it has the rooms it had",
	}})
	return err
}

// settleUnfinished decides an earlier operation of the minigroup whose run is gone, before a recreate. It fails another
// recreate, whose new rooms are not in use yet. It takes an update forward for a limited time. After that the update
// fails, although conference may have executed its PATCH, because its room is about to be replaced.
func settleUnfinished(ctx workflow.Context, p *progress, begun activities.BegunUpdate, in UpdateInput) error {
	unfinished := activities.UpdateInput{ID: begun.Unfinished, ClassID: in.ClassID}
	if begun.UnfinishedRecreate {
		return failAbandoned(ctx, p, unfinished)
	}
	err := patch(ctx, p, unfinished, settle(in.MaxAttempts))
	if err == nil {
		return commit(ctx, p, unfinished)
	}
	reason, final, superseded := reasonOf(ctx, err)
	if ctx.Err() != nil || superseded {
		return err // the update stays as it is, and the sweeper takes it forward
	}
	if !final {
		reason.Detail = endedByRecreate
	}
	_, _, err = failUpdateFor(ctx, p, activities.FailUpdateInput{
		UpdateInput: unfinished, Reason: reason, Refused: final, Undecided: !final,
	})
	return err
}

// endedByRecreate is the detail of the failure of an update that a recreate has ended.
const endedByRecreate = "conference did not say whether it has executed this update, and a recreate was requested, " +
	"which replaces the room"

// decideUnfinished decides an earlier operation of the minigroup whose run is gone, before an update. It takes an
// update forward, because conference may have executed its PATCH, and fails a recreate, whose new rooms are not in use
// yet.
func decideUnfinished(ctx workflow.Context, p *progress, begun activities.BegunUpdate, in UpdateInput) error {
	unfinished := activities.UpdateInput{ID: begun.Unfinished, ClassID: in.ClassID}
	if begun.UnfinishedRecreate {
		return failAbandoned(ctx, p, unfinished)
	}
	_, err := decideUpdate(ctx, p, unfinished, in.MaxAttempts)
	return err
}
