package activities

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/stored"
)

// UpdateLedger records updates and recreates.
type UpdateLedger interface {
	ByID(ctx context.Context, id uuid.UUID) (minigroup.Minigroup, error)
	UpdateRecord(ctx context.Context, id uuid.UUID) (minigroup.UpdateRecord, error)
	ReadForUpdate(
		ctx context.Context, claim minigroup.Claim, classID, updateID uuid.UUID,
	) (minigroup.BegunUpdate, error)
	TakeForUpdate(
		ctx context.Context, claim minigroup.Claim, classID, updateID uuid.UUID,
	) (minigroup.BegunUpdate, error)
	BeginUpdate(ctx context.Context, u minigroup.UpdateEntry) error
	BeginRecreate(ctx context.Context, r minigroup.RecreateEntry) (event, conference uuid.UUID, err error)
	CommitUpdate(ctx context.Context, run string, id uuid.UUID) (changesGateway bool, err error)
	SwapRooms(ctx context.Context, run string, id uuid.UUID) error
	FailUpdate(
		ctx context.Context, claim minigroup.Claim, classID, id uuid.UUID, c minigroup.Change, reason minigroup.Failure,
		mode minigroup.FailMode,
	) (minigroup.UpdateState, error)
	PatchedHost(ctx context.Context, classID uuid.UUID) (host string, err error)
	RecordRoomEvents(ctx context.Context, events minigroup.RoomEvents) (ended int, err error)
}

// UpdateInput names an update and what it requests.
type UpdateInput struct {
	ID      uuid.UUID     `json:"id"`
	ClassID uuid.UUID     `json:"class_id"`
	Change  stored.Change `json:"change"`
}

// BegunUpdate is the form of a minigroup.BegunUpdate in histories.
type BegunUpdate struct {
	State      minigroup.UpdateState `json:"state"`
	Failure    *stored.Failure       `json:"failure,omitempty"`
	Unfinished uuid.UUID             `json:"unfinished"`
	// UnfinishedRecreate says that the unfinished update is a recreate.
	UnfinishedRecreate bool `json:"unfinished_recreate,omitempty"`
}

func toBegunUpdate(b minigroup.BegunUpdate) BegunUpdate {
	return BegunUpdate{
		State: b.State, Failure: stored.NewFailure(b.Failure), Unfinished: b.Unfinished,
		UnfinishedRecreate: b.UnfinishedRecreate,
	}
}

// BeginUpdate works out what the update comes to, refuses what conference would refuse or silently change, and writes
// the old and the new values to the ledger. It changes nothing else.
func (a *Activities) BeginUpdate(ctx context.Context, in UpdateInput) (BegunUpdate, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	begun, err := a.begin(ctx, in, func(claim minigroup.Claim, m minigroup.Minigroup) error {
		return a.planUpdate(ctx, claim, in, m)
	})
	return toBegunUpdate(begun), toApplicationError(err)
}

// begin begins an update by a plan, which takes the row for this run, and returns how far the update has come. If it
// has begun before, or another one must be finished first, begin takes the row and does not plan.
func (a *Activities) begin(
	ctx context.Context, in UpdateInput, plan func(minigroup.Claim, minigroup.Minigroup) error,
) (begun minigroup.BegunUpdate, err error) {
	err = a.withClaim(ctx, func(claim minigroup.Claim) (err error) {
		for range maxPlans {
			begun, err = a.Ledger.ReadForUpdate(ctx, claim, in.ClassID, in.ID)
			if err == nil && !mayBegin(begun) {
				begun, err = a.Ledger.TakeForUpdate(ctx, claim, in.ClassID, in.ID)
			}
			// It may begin after all if another update was decided before this run took the row.
			if err != nil || !mayBegin(begun) {
				return err
			}
			begun.State = minigroup.UpdateRunning
			if err = plan(claim, begun.Minigroup); !errors.Is(err, minigroup.ErrOutdatedPlan) {
				return err
			}
		}
		return err
	})
	return begun, err
}

// mayBegin reports whether an update has not begun and no other one has to be finished first.
func mayBegin(begun minigroup.BegunUpdate) bool {
	return begun.State == minigroup.UpdateRequested && begun.Unfinished == uuid.Nil
}

// maxPlans bounds how often one attempt plans an update of a minigroup that keeps changing.
const maxPlans = 3

// take takes the row for this run, and returns how far the update has come.
func (a *Activities) take(ctx context.Context, in UpdateInput) (begun minigroup.BegunUpdate, err error) {
	err = a.withClaim(ctx, func(claim minigroup.Claim) (err error) {
		begun, err = a.Ledger.TakeForUpdate(ctx, claim, in.ClassID, in.ID)
		return err
	})
	return begun, err
}

// planUpdate plans the update from the row, which this run may take, and from the present room, and begins it. If
// conference has closed the room, it records that, so that the class ends when the update fails: a read after the
// refusal shows the reason, even if the event of the room was not received.
func (a *Activities) planUpdate(
	ctx context.Context, claim minigroup.Claim, in UpdateInput, m minigroup.Minigroup,
) error {
	room, err := a.readRoom(ctx, m.ConferenceRoomID)
	if err == nil {
		err = a.recordIfClosed(ctx, m, room)
	}
	if err != nil {
		return err
	}
	plan, err := minigroup.PlanUpdate(m, in.Change.Change(), room, time.Now().Unix(), !a.Settings.Gateways)
	if err != nil {
		return err
	}
	return a.Ledger.BeginUpdate(ctx, a.updateEntry(claim, in, plan))
}

func (a *Activities) updateEntry(
	claim minigroup.Claim, in UpdateInput, plan minigroup.UpdatePlan,
) minigroup.UpdateEntry {
	return minigroup.UpdateEntry{
		Claim: claim, ID: in.ID, ClassID: in.ClassID, Change: in.Change.Change(), Plan: plan,
		Reservation: uuid.New(), Gateways: a.Settings.Gateways, Group: a.Settings.Group,
	}
}

// CommittedUpdate is the result of CommitUpdate.
type CommittedUpdate struct {
	// ChangesGateway says that SyncGateways is to follow.
	ChangesGateway bool `json:"changes_gateway,omitempty"`
}

// CommitUpdate writes the new values, after conference has accepted them. Even a refusal is retried.
func (a *Activities) CommitUpdate(ctx context.Context, in UpdateRef) (CommittedUpdate, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	changesGateway, err := a.Ledger.CommitUpdate(ctx, runID(ctx), in.ID)
	if err == nil && !changesGateway {
		a.Runs.Decided(in.ClassID)
	}
	return CommittedUpdate{changesGateway}, asRetryable(err)
}

// FailUpdateInput names an update that must fail, and the reason.
type FailUpdateInput struct {
	UpdateInput
	Reason stored.Failure `json:"reason"`
	// Refused says that conference has refused the PATCH. Undecided says that the update fails although conference may
	// have executed the PATCH. Without either, an update whose PATCH may have reached conference stays running.
	Refused   bool `json:"refused,omitempty"`
	Undecided bool `json:"undecided,omitempty"`
}

func (in FailUpdateInput) mode() minigroup.FailMode {
	switch {
	case in.Refused:
		return minigroup.FailRefused
	case in.Undecided:
		return minigroup.FailUndecided
	default:
		return minigroup.FailUnlessSent
	}
}

// FailUpdate records that an update has failed and changes nothing, if that is still possible, and returns the state of
// the update. It starts the runs that close the rooms of a failed recreate. Even a refusal is retried.
func (a *Activities) FailUpdate(ctx context.Context, in FailUpdateInput) (minigroup.UpdateState, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	var state minigroup.UpdateState
	err := a.withClaim(ctx, func(claim minigroup.Claim) (err error) {
		state, err = a.Ledger.FailUpdate(
			ctx, claim, in.ClassID, in.ID, in.Change.Change(), *in.Reason.Failure(nil), in.mode())
		return err
	})
	if err == nil && state != minigroup.UpdateRunning {
		a.closePending(ctx, in.ClassID)
		a.Runs.Decided(in.ClassID)
	}
	return state, asRetryable(err)
}
