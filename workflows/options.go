package workflows

import (
	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"minigroups/minigroup"
)

// The memo of a run, from which a later request learns whether it asks for the same.
const (
	memoOperation   = "operation"
	memoFingerprint = "fingerprint"
	memoUpdate      = "update_id"
)

// The operations of runs.
const (
	operationCreate   = "create"
	operationUpdate   = "update"
	operationRecreate = "recreate"
	operationUndo     = "undo"
	operationClose    = "close_room"
)

// minigroupOptions are the options of a run of a minigroup.
func (s *Starter) minigroupOptions(
	id uuid.UUID, d minigroup.Draft, operation, fingerprint, stage string,
) client.StartWorkflowOptions {
	o := s.options(WorkflowID(d.Audience, d.Scope), operation, fingerprint)
	o.TypedSearchAttributes = temporal.NewSearchAttributes(
		AttributeID.ValueSet(id.String()), AttributeScope.ValueSet(d.Scope), AttributeAudience.ValueSet(d.Audience),
		AttributeStage.ValueSet(stage), AttributeAttention.ValueSet(false))
	return o
}

// options make Temporal keep the runs of a workflow id apart: a start fails while one is open. There is no timeout
// for a run, because an undo continues until everything is closed.
func (s *Starter) options(id, operation, fingerprint string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:                                       id,
		TaskQueue:                                s.taskQueue,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		EnableEagerStart:                         s.eager,
		Memo:                                     map[string]any{memoOperation: operation, memoFingerprint: fingerprint},
	}
}
