package workflows

import (
	"github.com/google/uuid"
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
	"minigroups/minigroup"
)

// UpdateInput is the input of UpdateMinigroup. Fields are only ever added.
type UpdateInput struct {
	UpdateID uuid.UUID         `json:"update_id"`
	ClassID  uuid.UUID         `json:"class_id"`
	Change   activities.Change `json:"change"`
	// Patience is how many times a step before the pivot is tried in the patient lane.
	Patience int32 `json:"patience"`
}

// UpdateMinigroup changes a minigroup. The PATCH of the conference room is the pivot: until it may have been sent, a
// refusal, the end of patience and a cancel end the update with nothing changed; from then on it goes forward until
// conference has clearly agreed or refused. The run ends as CreateMinigroup does.
func UpdateMinigroup(ctx workflow.Context, in UpdateInput) error {
	p := newProgress(ctx, operationUpdate, stageUpdating)
	decided, err := update(ctx, p, in)
	return ended(ctx, p, decided, err)
}

// ended closes the run of an update as it was decided.
func ended(ctx workflow.Context, p *progress, decided *activities.Failure, err error) error {
	switch {
	case err != nil:
		return p.stopped(ctx, err)
	case decided == nil:
		return p.done(ctx)
	default:
		return p.failed(ctx, *decided)
	}
}

// update returns the reason for which the update has failed; nil where it is done.
func update(ctx workflow.Context, p *progress, in UpdateInput) (*activities.Failure, error) {
	var a *activities.Activities
	ref := activities.UpdateInput{ID: in.UpdateID, ClassID: in.ClassID, Change: in.Change}
	for {
		begun, err := call(ctx, p, "Begin", forward(in.Patience), a.BeginUpdate, ref)
		if err != nil {
			reason, goOn, err := giveUp(ctx, p, ref, err, false)
			if err != nil || !goOn {
				return reason, err
			}
			return forwardOnly(ctx, p, ref)
		}
		switch {
		case begun.State == minigroup.UpdateDone:
			return nil, nil //nolint:nilnil // no reason and no error: it is done
		case begun.State == minigroup.UpdateFailed:
			return begun.Failure, nil
		case begun.Unfinished == uuid.Nil:
			return settle(ctx, p, ref, in.Patience)
		}
		if err := settleOther(ctx, p, begun, in); err != nil {
			return nil, err
		}
	}
}

// settle brings an update that has begun to its decision.
func settle(ctx workflow.Context, p *progress, ref activities.UpdateInput, patience int32) (*activities.Failure, error) {
	err := pivot(ctx, p, ref, forward(patience))
	if err == nil {
		return nil, commit(ctx, p, ref)
	}
	_, final, _ := reasonOf(ctx, err)
	reason, goOn, err := giveUp(ctx, p, ref, err, final && ctx.Err() == nil)
	if err != nil || !goOn {
		return reason, err
	}
	return forwardOnly(ctx, p, ref)
}

// forwardOnly brings an update to its decision that conference may have taken already: nothing but conference's word ends it.
func forwardOnly(ctx workflow.Context, p *progress, ref activities.UpdateInput) (*activities.Failure, error) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	err := pivot(ctx, p, ref, persistent)
	if err == nil {
		return nil, commit(ctx, p, ref)
	}
	reason, _, err := giveUp(ctx, p, ref, err, true)
	return reason, err
}

func pivot(ctx workflow.Context, p *progress, ref activities.UpdateInput, l lanes) error {
	var a *activities.Activities
	return do(ctx, p, "Update the conference room", l, a.PatchConferenceRoom, activities.UpdateRef{ID: ref.ID})
}

func commit(ctx workflow.Context, p *progress, ref activities.UpdateInput) error {
	var a *activities.Activities
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	if err := do(ctx, p, "Commit", persistent, a.CommitUpdate, activities.UpdateRef{ID: ref.ID}); err != nil {
		return err
	}
	syncGateway(ctx, p, ref.ClassID)
	return nil
}

// giveUp ends the update with nothing changed and returns the reason, or goOn where conference may have taken it. An update
// that was decided before keeps its decision.
func giveUp(ctx workflow.Context, p *progress, ref activities.UpdateInput, cause error, refused bool) (reason *activities.Failure, goOn bool, err error) {
	why, _, superseded := reasonOf(ctx, cause)
	if superseded {
		return nil, false, cause
	}
	return concede(ctx, p, ref, why, refused)
}

// concede is giveUp for a reason that is known.
func concede(ctx workflow.Context, p *progress, ref activities.UpdateInput, why activities.Failure, refused bool) (reason *activities.Failure, goOn bool, err error) {
	var a *activities.Activities
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	state, err := call(ctx, p, "Give up", persistent, a.FailUpdate,
		activities.FailUpdateInput{UpdateInput: ref, Reason: why, Refused: refused})
	switch {
	case err != nil:
		return nil, false, err
	case state == minigroup.UpdateRunning:
		return nil, true, nil
	case state == minigroup.UpdateDone:
		return nil, false, nil
	default:
		return &why, false, nil
	}
}
