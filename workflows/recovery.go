package workflows

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
)

// IsOpen reports whether the run of a saga is open.
func (s *Starter) IsOpen(ctx context.Context, saga minigroup.OpenSaga) (bool, error) {
	d, err := s.client.DescribeWorkflowExecution(ctx, WorkflowID(saga.Audience, saga.Scope), saga.Run)
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("describe run %s: %w", saga.Run, err)
	}
	return isOpen(d.GetWorkflowExecutionInfo().GetStatus()), nil
}

// Recover starts a run that undoes a create, finishes an update or fails a recreate whose run is gone. It returns false
// when another run of the minigroup is open.
func (s *Starter) Recover(ctx context.Context, saga minigroup.OpenSaga) (bool, error) {
	m := minigroup.Minigroup{Draft: minigroup.Draft{Audience: saga.Audience, Scope: saga.Scope}, ID: saga.ClassID}
	in := UpdateInput{
		UpdateID: saga.UpdateID, ClassID: saga.ClassID, Change: stored.NewChange(saga.Change), MaxAttempts: s.maxAttempts,
	}
	switch {
	case saga.UpdateID == uuid.Nil:
		o := s.minigroupOptions(m.ID, m.Draft, operationUndo, "", stageUndoing)
		o.StaticSummary, o.StaticDetails = summary("Undo %s for %s", saga.Scope, saga.Audience), undoPurpose(m)
		return s.startUnlessOpen(ctx, o, UndoMinigroup, UndoInput{ClassID: saga.ClassID})
	case saga.Change.Recreate != nil:
		o := s.updateOptions(m, saga.Change, saga.UpdateID)
		o.StaticSummary = summary("End the recreate of %s for %s", saga.Scope, saga.Audience)
		o.StaticDetails = failRecreatePurpose(m)
		o.TypedSearchAttributes = temporal.NewSearchAttributes(
			o.TypedSearchAttributes.Copy(), AttributeStage.ValueSet(stageUndoing))
		return s.startUnlessOpen(ctx, o, RecreateMinigroup, RecreateInput{UpdateInput: in, Abandoned: true})
	default:
		return s.startUnlessOpen(ctx, s.updateOptions(m, saga.Change, saga.UpdateID), UpdateMinigroup, in)
	}
}

// CloseRoom starts the run that closes a room pending close. It does nothing when one is open.
func (s *Starter) CloseRoom(ctx context.Context, room minigroup.RoomPendingClose) error {
	o := s.options(RoomWorkflowID(room.Kind, room.ID), operationClose, "")
	o.StaticSummary, o.StaticDetails = summary("Close %s room %s", room.Kind, room.ID), closeRoomPurpose(room)
	o.TypedSearchAttributes = temporal.NewSearchAttributes(
		AttributeID.ValueSet(room.ClassID.String()), AttributeStage.ValueSet(stageClosing),
		AttributeAttention.ValueSet(false))
	_, err := s.startUnlessOpen(ctx, o, CloseRoom, activities.Room{Kind: room.Kind, ID: room.ID})
	return err
}

// startUnlessOpen starts a run. It returns false when one is open under its workflow id.
func (s *Starter) startUnlessOpen(
	ctx context.Context, o client.StartWorkflowOptions, workflow, input any,
) (started bool, err error) {
	_, err = s.client.ExecuteWorkflow(ctx, o, workflow, input)
	if alreadyStarted(err) {
		return false, nil
	}
	return err == nil, err
}

// RepeatCreate starts a create again that the ledger has forgotten. With replace it terminates the open run of the
// minigroup; otherwise it returns false when there is one.
func (s *Starter) RepeatCreate(ctx context.Context, r minigroup.CreateRequest, replace bool) (bool, error) {
	again := s.createStart(r)
	return s.startUnlessOpen(ctx, replacing(again.options, replace), again.workflow, again.input)
}

// RepeatChange starts an update or a recreate again with the id that it had, whatever the revision of the minigroup.
// Apart from that it is like RepeatCreate.
func (s *Starter) RepeatChange(
	ctx context.Context, m minigroup.Minigroup, id uuid.UUID, c minigroup.Change, replace bool,
) (bool, error) {
	c.Revision = nil
	o := replacing(s.updateOptions(m, c, id), replace)
	in := UpdateInput{UpdateID: id, ClassID: m.ID, Change: stored.NewChange(c), MaxAttempts: s.maxAttempts}
	if c.Recreate != nil {
		return s.startUnlessOpen(ctx, o, RecreateMinigroup, RecreateInput{UpdateInput: in})
	}
	return s.startUnlessOpen(ctx, o, UpdateMinigroup, in)
}

// replacing lets a start terminate the open run of its workflow id.
func replacing(o client.StartWorkflowOptions, replace bool) client.StartWorkflowOptions {
	if replace {
		o.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
	}
	return o
}
