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
}

// BeginUpdate works out what the update comes to, refuses what conference would refuse or bend, and writes the old and new
// values. Nothing outside the ledger is changed.
func (a *Activities) BeginUpdate(ctx context.Context, in UpdateInput) (BegunUpdate, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	var begun minigroup.BegunUpdate
	err := a.claiming(ctx, func(claim minigroup.Claim) (err error) {
		begun, err = a.Ledger.TakeForUpdate(ctx, claim, in.ClassID, in.ID)
		return err
	})
	if err == nil && begun.State == minigroup.UpdateRequested && begun.Unfinished == uuid.Nil {
		begun.State = minigroup.UpdateRunning
		err = a.planUpdate(ctx, in)
	}
	return BegunUpdate{begun.State, ToFailure(begun.Failure), begun.Unfinished}, failed(err)
}

// planUpdate works out what the update comes to, from the row that this run owns and the room as it is, and writes it.
func (a *Activities) planUpdate(ctx context.Context, in UpdateInput) error {
	m, err := a.Ledger.ByID(ctx, in.ClassID)
	if err != nil {
		return err
	}
	room, err := a.Conference.Room(ctx, m.ConferenceRoomID)
	if err != nil {
		if isUnknownRoom(err) && time.Since(m.CreatedAt) > yieldsToReplicaLag {
			return &minigroup.Error{
				Kind: minigroup.UpstreamRefused, Detail: "conference does not know the room of this minigroup",
				Upstream: string(minigroup.ConferenceRoom), UpstreamType: "room_not_found",
			}
		}
		return err
	}
	change := in.Change.Minigroup()
	plan, err := minigroup.PlanUpdate(m, change, room, time.Now().Unix(), !a.Settings.Gateways)
	if err != nil {
		return err
	}
	return a.Ledger.BeginUpdate(ctx, minigroup.UpdateEntry{
		ID: in.ID, Run: runID(ctx), ClassID: in.ClassID, Change: change, Plan: plan,
		Reservation: uuid.New(), Gateways: a.Settings.Gateways, Group: a.Settings.Group,
	})
}

// CommitUpdate writes the new values once conference has agreed.
func (a *Activities) CommitUpdate(ctx context.Context, in UpdateRef) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	return insisted(a.Ledger.CommitUpdate(ctx, runID(ctx), in.ID))
}

// FailUpdateInput asks to end an update with nothing changed.
type FailUpdateInput struct {
	UpdateInput
	Reason Failure `json:"reason"`
	// Refused says that conference has clearly refused; otherwise the update goes on where a PATCH may have reached it.
	Refused bool `json:"refused,omitempty"`
}

// FailUpdate ends an update with nothing changed, if that is still possible, and returns the state it is in then.
func (a *Activities) FailUpdate(ctx context.Context, in FailUpdateInput) (minigroup.UpdateState, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	state, err := a.Ledger.FailUpdate(ctx, runID(ctx), in.ClassID, in.ID, in.Change.Minigroup(), in.Reason.minigroup(), !in.Refused)
	return state, insisted(err)
}
