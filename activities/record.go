package activities

import (
	"context"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// BeginCreateInput asks to begin a create.
type BeginCreateInput struct {
	Draft Draft `json:"draft"`
}

// Begun is what a create finds when it begins: minigroup.Begun on its way through a history.
type BegunCreate struct {
	State             minigroup.State `json:"state"`
	Failure           *Failure        `json:"failure,omitempty"`
	EventAttempt      uuid.UUID       `json:"event_attempt"`
	ConferenceAttempt uuid.UUID       `json:"conference_attempt"`
	Reservation       uuid.UUID       `json:"reservation"`
}

// BeginCreate takes the row for this run and writes what the run is about to ask for. Rooms that an earlier run of the
// class has left condemned are handed to runs of their own.
func (a *Activities) BeginCreate(ctx context.Context, in BeginCreateInput) (BegunCreate, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	deadline := time.Now().Add(a.Settings.RequestTimeout)
	entry := minigroup.CreateEntry{
		Draft: in.Draft.Minigroup(), EventAttempt: uuid.New(), ConferenceAttempt: uuid.New(), Reservation: uuid.New(),
		RequestTimeout: a.Settings.RequestTimeout, Gateways: a.Settings.Gateways, Group: a.Settings.Group,
	}
	var begun minigroup.BegunCreate
	err := a.claiming(ctx, func(claim minigroup.Claim) (err error) {
		entry.Claim = claim
		begun, err = a.Ledger.BeginCreate(ctx, entry)
		return err
	})
	if err != nil {
		return BegunCreate{}, toApplicationError(err)
	}
	a.InFlight.expectRooms(entry.Draft.Audience, entry.Draft.ClassID(), deadline, begun.EventAttempt, begun.ConferenceAttempt)
	a.closeRooms(ctx, begun.PendingClose)
	return BegunCreate{begun.State, ToFailure(begun.Failure), begun.EventAttempt, begun.ConferenceAttempt, begun.Reservation}, nil
}

// ClassRef names a minigroup.
type ClassRef struct {
	ID uuid.UUID `json:"id"`
}

// Establish is the commit point of a create.
func (a *Activities) Establish(ctx context.Context, in ClassRef) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	m, err := a.Ledger.Establish(ctx, runID(ctx), in.ID, a.Settings.Gateways)
	if err == nil {
		a.Runs.Established(m)
	}
	return toApplicationError(err)
}

// BeginUndoInput asks to begin an undo.
type BeginUndoInput struct {
	ClassID uuid.UUID `json:"class_id"`
	// Draft is given by the run of a create, whose row may not be there yet.
	Draft  *Draft  `json:"draft,omitempty"`
	Reason Failure `json:"reason"`
}

// Condemned tells an undo what there is to do: minigroup.Condemned on its way through a history.
type BegunUndo struct {
	State        minigroup.State `json:"state"`
	Rooms        []Room          `json:"rooms,omitempty"`
	Reservations []uuid.UUID     `json:"reservations,omitempty"`
	Failure      *Failure        `json:"failure,omitempty"`
}

// BeginUndo begins the undo of a create: from here on nothing of it is wanted any more. It leaves a minigroup that
// is ready alone.
func (a *Activities) BeginUndo(ctx context.Context, in BeginUndoInput) (BegunUndo, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	var draft *minigroup.Draft
	if in.Draft != nil {
		draft = new(in.Draft.Minigroup())
	}
	var out minigroup.BegunUndo
	err := a.claiming(ctx, func(claim minigroup.Claim) (err error) {
		out, err = a.Ledger.BeginUndo(ctx, claim, in.ClassID, draft, in.Reason.minigroup())
		return err
	})
	return BegunUndo{out.State, toRooms(out.Rooms), out.Reservations, ToFailure(out.Failure)}, asRetryable(err)
}

// Undone is how far an undo has come: its reason, and the rooms that have turned up and are still open.
type Undone struct {
	Reason Failure `json:"reason"`
	Open   []Room  `json:"open,omitempty"`
}

// EndUndo ends an undo, unless condemned rooms are open: then nothing is changed and those are returned.
func (a *Activities) EndUndo(ctx context.Context, in ClassRef) (Undone, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	reason, open, err := a.Ledger.EndUndo(ctx, runID(ctx), in.ID)
	if err == nil && len(open) == 0 {
		a.Runs.Decided(in.ID)
	}
	return Undone{*ToFailure(&reason), toRooms(open)}, asRetryable(err)
}
