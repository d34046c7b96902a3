package activities

import (
	"context"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/stored"
)

// CreateLedger records the create of a minigroup and its undo.
type CreateLedger interface {
	BeginCreate(ctx context.Context, c minigroup.CreateEntry) (minigroup.BegunCreate, error)
	Establish(ctx context.Context, run string, id uuid.UUID, gateways bool) (minigroup.Minigroup, error)
	BeginUndo(
		ctx context.Context, claim minigroup.Claim, id uuid.UUID, request *minigroup.CreateRequest, reason minigroup.Failure,
	) (minigroup.BegunUndo, error)
	EndUndo(
		ctx context.Context, run string, id uuid.UUID,
	) (reason minigroup.Failure, open []minigroup.RoomPendingClose, err error)
}

// ClassRef names a minigroup.
type ClassRef struct {
	ID uuid.UUID `json:"id"`
}

// BegunCreate is the form of a minigroup.BegunCreate in histories.
type BegunCreate struct {
	State             minigroup.State `json:"state"`
	Failure           *stored.Failure `json:"failure,omitempty"`
	EventAttempt      uuid.UUID       `json:"event_attempt"`
	ConferenceAttempt uuid.UUID       `json:"conference_attempt"`
	Reservation       uuid.UUID       `json:"reservation"`
}

// BeginCreate takes the row for this run, and writes the attempts and the reservation of the create to the ledger. It
// starts the runs that close the rooms which an earlier draft has left.
func (a *Activities) BeginCreate(ctx context.Context, in stored.CreateRequest) (BegunCreate, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	deadline := time.Now().Add(a.Settings.RequestTimeout)
	entry := minigroup.CreateEntry{
		CreateRequest: in.Request(), EventAttempt: a.newAttempt(ctx, minigroup.EventRoom),
		ConferenceAttempt: a.newAttempt(ctx, minigroup.ConferenceRoom), Reservation: uuid.New(),
		RequestTimeout: a.Settings.RequestTimeout, Gateways: a.Settings.Gateways, Group: a.Settings.Group,
	}
	var begun minigroup.BegunCreate
	err := a.withClaim(ctx, func(claim minigroup.Claim) (err error) {
		entry.Claim = claim
		begun, err = a.Ledger.BeginCreate(ctx, entry)
		return err
	})
	if err != nil {
		a.InFlight.abandon(ctx, err, entry.EventAttempt, entry.ConferenceAttempt)
		return BegunCreate{}, toApplicationError(err)
	}
	create := a.runningCreate(ctx, entry.ID)
	a.InFlight.registerRooms(entry.ID, deadline, create, begun.EventAttempt, begun.ConferenceAttempt)
	a.closeRooms(ctx, begun.PendingClose)
	return BegunCreate{
		State: begun.State, Failure: stored.NewFailure(begun.Failure), EventAttempt: begun.EventAttempt,
		ConferenceAttempt: begun.ConferenceAttempt, Reservation: begun.Reservation,
	}, nil
}

// runningCreate is the create that this run carries out.
func (a *Activities) runningCreate(ctx context.Context, classID uuid.UUID) minigroup.RunningCreate {
	return minigroup.RunningCreate{ClassID: classID, Run: runID(ctx), Gateways: a.Settings.Gateways}
}

// Completion says whether a step was the last that its create needed: then the minigroup is established.
type Completion struct {
	Established bool `json:"established,omitempty"`
}

// completed notifies the requests that wait for the minigroup if it is established.
func (a *Activities) completed(established *minigroup.Minigroup) Completion {
	if established == nil {
		return Completion{}
	}
	a.Runs.Established(*established)
	return Completion{Established: true}
}

// Establish is the commit point of a create: the minigroup becomes ready. If the ledger does not allow that any more,
// it returns superseded.
func (a *Activities) Establish(ctx context.Context, in ClassRef) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	m, err := a.Ledger.Establish(ctx, runID(ctx), in.ID, a.Settings.Gateways)
	if err == nil {
		a.Runs.Established(m)
	}
	return toApplicationError(err)
}
