package activities

import (
	"context"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// UpdateInput asks to begin, or to give up, an update.
type UpdateInput struct {
	ID      uuid.UUID `json:"id"`
	ClassID uuid.UUID `json:"class_id"`
	Change  Change    `json:"change"`
}

// BegunUpdate is what an update finds when it begins: minigroup.BegunUpdate on its way through a history.
type BegunUpdate struct {
	State      minigroup.UpdateState `json:"state"`
	Failure    *Failure              `json:"failure,omitempty"`
	Unfinished uuid.UUID             `json:"unfinished"`
	// UnfinishedRecreate says that the other is a recreate.
	UnfinishedRecreate bool `json:"unfinished_recreate,omitempty"`
}

func toBegunUpdate(b minigroup.BegunUpdate) BegunUpdate {
	return BegunUpdate{b.State, ToFailure(b.Failure), b.Unfinished, b.UnfinishedRecreate}
}

// BeginUpdate works out what the update comes to, refuses what conference would refuse or bend, and writes the old and new
// values. Nothing outside the ledger is changed. An update that asks for nothing compares the minigroup with its room, and
// is done where there is nothing to repair.
func (a *Activities) BeginUpdate(ctx context.Context, in UpdateInput) (BegunUpdate, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	begun, err := a.take(ctx, in)
	if err == nil && begun.State == minigroup.UpdateRequested && begun.Unfinished == uuid.Nil {
		if in.Change.Minigroup().Empty() {
			begun.State, err = a.compare(ctx, in, begun.Minigroup)
		} else {
			begun.State, err = minigroup.UpdateRunning, a.planUpdate(ctx, in, begun.Minigroup)
		}
	}
	return toBegunUpdate(begun), toApplicationError(err)
}

// take takes the row for this run.
func (a *Activities) take(ctx context.Context, in UpdateInput) (begun minigroup.BegunUpdate, err error) {
	err = a.claiming(ctx, func(claim minigroup.Claim) (err error) {
		begun, err = a.Ledger.TakeForUpdate(ctx, claim, in.ClassID, in.ID)
		return err
	})
	return begun, err
}

// planUpdate works out what the update comes to, from the row that this run owns and the room as it is, and writes it.
func (a *Activities) planUpdate(ctx context.Context, in UpdateInput, m minigroup.Minigroup) error {
	room, err := a.roomOf(ctx, m)
	if err != nil {
		return err
	}
	plan, err := minigroup.PlanUpdate(m, in.Change.Minigroup(), room, time.Now().Unix(), !a.Settings.Gateways)
	if err != nil {
		return err
	}
	return a.writePlan(ctx, in, plan)
}

// compare looks for PATCHes of earlier updates that went unanswered and that conference has executed all the same. Where it
// has, this is an update that brings row and room together again.
func (a *Activities) compare(ctx context.Context, in UpdateInput, m minigroup.Minigroup) (minigroup.UpdateState, error) {
	unanswered, err := a.Ledger.UnansweredPatches(ctx, in.ClassID)
	if err != nil {
		return "", err
	}
	room, err := a.roomOf(ctx, m)
	if err != nil {
		return "", err
	}
	updates, patches := make([]uuid.UUID, len(unanswered)), make([]minigroup.ConferencePatch, len(unanswered))
	for i, u := range unanswered {
		updates[i], patches[i] = u.UpdateID, u.Patch
	}
	plan, needed := minigroup.PlanComparison(m, patches, room, time.Now().Unix())
	if !needed {
		return minigroup.UpdateDone, a.Ledger.Compared(ctx, runID(ctx), in.ClassID, updates)
	}
	return minigroup.UpdateRunning, a.writePlan(ctx, in, plan) // and the next comparison finds both alike
}

// roomOf reads the conference room of a minigroup.
func (a *Activities) roomOf(ctx context.Context, m minigroup.Minigroup) (minigroup.ConferenceRoomState, error) {
	room, err := a.Conference.Room(ctx, m.ConferenceRoomID)
	if isUnknownRoom(err) && time.Since(m.CreatedAt) > yieldsToReplicaLag {
		err = &minigroup.Error{
			Kind: minigroup.UpstreamRefused, Detail: "conference does not know the room of this minigroup",
			Upstream: string(minigroup.ConferenceRoom), UpstreamType: "room_not_found",
		}
	}
	return room, err
}

func (a *Activities) writePlan(ctx context.Context, in UpdateInput, plan minigroup.UpdatePlan) error {
	return a.Ledger.BeginUpdate(ctx, a.updateEntry(ctx, in, plan))
}

func (a *Activities) updateEntry(ctx context.Context, in UpdateInput, plan minigroup.UpdatePlan) minigroup.UpdateEntry {
	return minigroup.UpdateEntry{
		ID: in.ID, Run: runID(ctx), ClassID: in.ClassID, Change: in.Change.Minigroup(), Plan: plan,
		Reservation: uuid.New(), Gateways: a.Settings.Gateways, Group: a.Settings.Group,
	}
}

// CommitUpdate writes the new values once conference has agreed.
func (a *Activities) CommitUpdate(ctx context.Context, in UpdateRef) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	return asRetryable(a.Ledger.CommitUpdate(ctx, runID(ctx), in.ID))
}

// FailUpdateInput asks to end an update with nothing changed.
type FailUpdateInput struct {
	UpdateInput
	Reason Failure `json:"reason"`
	// Refused says that conference has clearly refused; otherwise the update goes on where a PATCH may have reached it.
	Refused bool `json:"refused,omitempty"`
}

// FailUpdate ends an update with nothing changed, if that is still possible, and returns the state it is in then. Rooms that
// it has made are handed to runs of their own.
func (a *Activities) FailUpdate(ctx context.Context, in FailUpdateInput) (minigroup.UpdateState, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	var state minigroup.UpdateState
	err := a.claiming(ctx, func(claim minigroup.Claim) (err error) {
		state, err = a.Ledger.FailUpdate(ctx, claim, in.ClassID, in.ID, in.Change.Minigroup(), in.Reason.minigroup(), !in.Refused)
		return err
	})
	if err == nil && state != minigroup.UpdateRunning {
		a.closePending(ctx, in.ClassID)
		a.Runs.Decided(in.ClassID)
	}
	return state, asRetryable(err)
}
