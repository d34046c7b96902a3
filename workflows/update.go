package workflows

import (
	"github.com/google/uuid"
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
)

// UpdateInput is the input of UpdateMinigroup. Fields are only ever added.
type UpdateInput struct {
	UpdateID uuid.UUID     `json:"update_id"`
	ClassID  uuid.UUID     `json:"class_id"`
	Change   stored.Change `json:"change"`
	// MaxAttempts bounds the attempts of the retry phase of each step before the pivot; 0: unlimited.
	MaxAttempts int32 `json:"max_attempts"`
}

// UpdateMinigroup changes a minigroup. The PATCH of the conference room is the pivot: until it may have been sent, a
// refusal, the end of the retry budget and a cancel end the update with nothing changed. From then on it goes forward
// until conference has clearly agreed or refused. The run ends as that of CreateMinigroup.
func UpdateMinigroup(ctx workflow.Context, in UpdateInput) error {
	p := newProgress(ctx, operationUpdate, stageUpdating)
	failure, err := update(ctx, p, in)
	return endUpdate(ctx, p, failure, err)
}

// endUpdate ends the run of an update that was decided: failure is nil when the update succeeded.
func endUpdate(ctx workflow.Context, p *progress, failure *stored.Failure, err error) error {
	switch {
	case err != nil:
		return p.abort(ctx, err)
	case failure == nil:
		return p.complete(ctx)
	default:
		return p.fail(ctx, *failure)
	}
}

// update returns why the update failed; nil when it succeeded.
func update(ctx workflow.Context, p *progress, in UpdateInput) (*stored.Failure, error) {
	var a *activities.Activities
	ref := activities.UpdateInput{ID: in.UpdateID, ClassID: in.ClassID, Change: in.Change}
	for {
		begun, err := executeStep(ctx, p, "Begin", bounded(in.MaxAttempts), a.BeginUpdate, ref)
		if err != nil {
			failure, patchSent, err := failUpdate(ctx, p, ref, err, false)
			if err != nil || !patchSent {
				return failure, err
			}
			return goForward(ctx, p, ref)
		}
		switch {
		case begun.State == minigroup.UpdateDone:
			return nil, nil //nolint:nilnil // no failure and no error: it succeeded
		case begun.State == minigroup.UpdateFailed:
			return begun.Failure, nil
		case begun.Unfinished == uuid.Nil:
			return decideUpdate(ctx, p, ref, in.MaxAttempts)
		}
		if err := decideUnfinished(ctx, p, begun, in); err != nil {
			return nil, err
		}
	}
}

// decideUpdate takes an update that has begun to its decision.
func decideUpdate(
	ctx workflow.Context, p *progress, ref activities.UpdateInput, maxAttempts int32,
) (*stored.Failure, error) {
	err := patch(ctx, p, ref, bounded(maxAttempts))
	if err == nil {
		return nil, commit(ctx, p, ref)
	}
	_, final, _ := reasonOf(ctx, err)
	refused := final && ctx.Err() == nil
	failure, patchSent, err := failUpdate(ctx, p, ref, err, refused)
	if err != nil || !patchSent {
		return failure, err
	}
	return goForward(ctx, p, ref)
}

// goForward decides an update whose PATCH may have been sent. It ignores cancels and retries until conference has
// agreed or refused.
func goForward(ctx workflow.Context, p *progress, ref activities.UpdateInput) (*stored.Failure, error) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	err := patch(ctx, p, ref, unbounded)
	if err == nil {
		return nil, commit(ctx, p, ref)
	}
	reason, final, superseded := reasonOf(ctx, err)
	if superseded {
		return nil, err
	}
	// Without a refusal, an operator has failed the activity: it is unknown whether conference has executed the PATCH.
	failure, _, err := failUpdateFor(ctx, p, activities.FailUpdateInput{
		UpdateInput: ref, Reason: reason, Refused: final, Undecided: !final,
	})
	return failure, err
}

// patch is the pivot.
func patch(ctx workflow.Context, p *progress, ref activities.UpdateInput, policy stepPolicy) error {
	var a *activities.Activities
	in := activities.UpdateRef{ID: ref.ID, ClassID: ref.ClassID}
	return runStep(ctx, p, "Update the conference room", policy, a.PatchConferenceRoom, in)
}

func commit(ctx workflow.Context, p *progress, ref activities.UpdateInput) error {
	var a *activities.Activities
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	in := activities.UpdateRef{ID: ref.ID, ClassID: ref.ClassID}
	committed, err := executeStep(ctx, p, "Commit", unbounded, a.CommitUpdate, in)
	if err == nil && committed.ChangesGateway {
		syncGateway(ctx, p, ref.ClassID)
	}
	return err
}

// failUpdate marks the update as failed because of a step's error. refused says that conference clearly did not execute
// the PATCH. An update that was decided before keeps its decision.
//
// It returns why the update failed, nil when it has succeeded, or patchSent when it is undecided because conference may
// have executed the PATCH. The error is that of a run which does not own the minigroup any more.
func failUpdate(
	ctx workflow.Context, p *progress, ref activities.UpdateInput, cause error, refused bool,
) (failure *stored.Failure, patchSent bool, err error) {
	reason, _, superseded := reasonOf(ctx, cause)
	if superseded {
		return nil, false, cause
	}
	return failUpdateFor(ctx, p, activities.FailUpdateInput{UpdateInput: ref, Reason: reason, Refused: refused})
}

// failUpdateFor is failUpdate with the reason to record.
func failUpdateFor(
	ctx workflow.Context, p *progress, in activities.FailUpdateInput,
) (failure *stored.Failure, patchSent bool, err error) {
	var a *activities.Activities
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	state, err := executeStep(ctx, p, "Mark the update as failed", unbounded, a.FailUpdate, in)
	switch {
	case err != nil:
		return nil, false, err
	case state == minigroup.UpdateRunning:
		return nil, true, nil
	case state == minigroup.UpdateDone:
		return nil, false, nil
	default:
		return &in.Reason, false, nil
	}
}
