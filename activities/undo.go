package activities

import (
	"context"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/stored"
)

// BeginUndoInput is the input of BeginUndo.
type BeginUndoInput struct {
	ClassID uuid.UUID `json:"class_id"`
	// Request is set by the run of a create, because its row may not exist yet; nil otherwise.
	Request *stored.CreateRequest `json:"request,omitempty"`
	Reason  stored.Failure        `json:"reason"`
}

// BegunUndo is the form of a minigroup.BegunUndo in histories.
type BegunUndo struct {
	State        minigroup.State `json:"state"`
	Rooms        []Room          `json:"rooms,omitempty"`
	Reservations []uuid.UUID     `json:"reservations,omitempty"`
	Failure      *stored.Failure `json:"failure,omitempty"`
}

// BeginUndo begins the undo of a create: it marks the rooms of the class for closing and releases its slots. It leaves
// a minigroup that is ready alone. Even a refusal is retried.
func (a *Activities) BeginUndo(ctx context.Context, in BeginUndoInput) (BegunUndo, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	var request *minigroup.CreateRequest
	if in.Request != nil {
		request = new(in.Request.Request())
	}
	var out minigroup.BegunUndo
	err := a.withClaim(ctx, func(claim minigroup.Claim) (err error) {
		out, err = a.Ledger.BeginUndo(ctx, claim, in.ClassID, request, *in.Reason.Failure(nil))
		return err
	})
	return BegunUndo{
		State: out.State, Rooms: toRooms(out.Rooms), Reservations: out.Reservations, Failure: stored.NewFailure(out.Failure),
	}, asRetryable(err)
}

// Undone is the result of EndUndo: the reason of the undo, and the rooms whose ids became known since it began and
// which are still open.
type Undone struct {
	Reason stored.Failure `json:"reason"`
	Open   []Room         `json:"open,omitempty"`
}

// EndUndo ends an undo: the minigroup has failed. If rooms pending close are open, it changes nothing and returns them.
// Even a refusal is retried.
func (a *Activities) EndUndo(ctx context.Context, in ClassRef) (Undone, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	reason, open, err := a.Ledger.EndUndo(ctx, runID(ctx), in.ID)
	if err == nil && len(open) == 0 {
		a.Runs.Decided(in.ID)
	}
	return Undone{Reason: *stored.NewFailure(&reason), Open: toRooms(open)}, asRetryable(err)
}
