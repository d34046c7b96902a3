package activities

import (
	"context"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"

	"minigroups/minigroup"
)

// Ledger decides what a run may do, and remembers what was asked of other services. Errors other than *minigroup.Error,
// *minigroup.OwnedError and *minigroup.SupersededError are worth another try.
type Ledger interface {
	ByID(ctx context.Context, id uuid.UUID) (minigroup.Minigroup, error)

	BeginCreate(ctx context.Context, c minigroup.CreateEntry) (minigroup.BegunCreate, error)
	Establish(ctx context.Context, run string, id uuid.UUID, gateways bool) (minigroup.Minigroup, error)
	BeginUndo(ctx context.Context, claim minigroup.Claim, id uuid.UUID, draft *minigroup.Draft, reason minigroup.Failure) (minigroup.BegunUndo, error)
	EndUndo(ctx context.Context, run string, id uuid.UUID) (reason minigroup.Failure, open []minigroup.RoomPendingClose, err error)

	OpenAttempt(ctx context.Context, a minigroup.AttemptEntry) (minigroup.Attempt, error)
	AnswerAttempt(ctx context.Context, id, roomID uuid.UUID) (minigroup.AttemptState, error)
	RefuseAttempt(ctx context.Context, id uuid.UUID) error
	ExpireAttempt(ctx context.Context, id uuid.UUID) error
	RoomLocked(ctx context.Context, roomID uuid.UUID) error
	RoomsPendingClose(ctx context.Context, classID uuid.UUID) ([]minigroup.RoomPendingClose, error)
	RoomPendingClose(ctx context.Context, roomID uuid.UUID) (minigroup.RoomPendingClose, bool, error)
	RoomReleased(ctx context.Context, roomID uuid.UUID) error

	Reservation(ctx context.Context, id uuid.UUID) (minigroup.Reservation, error)
	OpenReservations(ctx context.Context, classID uuid.UUID) ([]minigroup.Reservation, error)
	MoveReservation(ctx context.Context, run string, draft minigroup.Draft, from, to uuid.UUID, group string) error
	ReservationHeld(ctx context.Context, id uuid.UUID) error
	ReservationDoubtful(ctx context.Context, id uuid.UUID) error
	ReservationReleased(ctx context.Context, id uuid.UUID) error

	UpdateRecord(ctx context.Context, id uuid.UUID) (minigroup.UpdateRecord, error)
	TakeForUpdate(ctx context.Context, claim minigroup.Claim, classID, updateID uuid.UUID) (minigroup.BegunUpdate, error)
	BeginUpdate(ctx context.Context, u minigroup.UpdateEntry) error
	BeginRecreate(ctx context.Context, r minigroup.RecreateEntry) error
	SwapRooms(ctx context.Context, run string, id uuid.UUID) error
	SendPatch(ctx context.Context, run string, id uuid.UUID, flight time.Duration) (rec minigroup.UpdateRecord, sent bool, err error)
	AdoptStart(ctx context.Context, run string, id uuid.UUID, start int64) error
	PatchUndone(ctx context.Context, run string, id uuid.UUID, number int) error
	PatchUnanswered(ctx context.Context, run string, id uuid.UUID, compareAfter time.Duration) error
	UnansweredPatches(ctx context.Context, classID uuid.UUID) ([]minigroup.UnansweredPatch, error)
	Compared(ctx context.Context, run string, classID uuid.UUID, updates []uuid.UUID) error
	CommitUpdate(ctx context.Context, run string, id uuid.UUID) error
	FailUpdate(ctx context.Context, claim minigroup.Claim, classID, id uuid.UUID, c minigroup.Change, reason minigroup.Failure, unlessSent bool) (minigroup.UpdateState, error)
}

// Event is the service of event rooms. Its errors are *minigroup.UpstreamError, as are those of the other services.
type Event interface {
	CreateRoom(ctx context.Context, r minigroup.NewEventRoom) (uuid.UUID, error)
	LockRoom(ctx context.Context, room uuid.UUID, locks minigroup.Locks) error
	CloseRoom(ctx context.Context, room uuid.UUID) error
}

// Conference is the service of conference rooms.
type Conference interface {
	CreateRoom(ctx context.Context, r minigroup.NewConferenceRoom) (uuid.UUID, error)
	Room(ctx context.Context, room uuid.UUID) (minigroup.ConferenceRoomState, error)
	PatchRoom(ctx context.Context, room uuid.UUID, p minigroup.ConferencePatch) (minigroup.ConferenceRoomState, error)
	CloseRoom(ctx context.Context, room uuid.UUID) error
}

// Janus is the gateways on which slots are reserved.
type Janus interface {
	Reserve(ctx context.Context, b minigroup.Backend, room uuid.UUID, slots int32, description string) error
	Release(ctx context.Context, b minigroup.Backend, room uuid.UUID) error
}

// Runs knows what Temporal knows of runs.
type Runs interface {
	// IsCurrent reports whether the run is the latest of its workflow id and open.
	IsCurrent(ctx context.Context, workflowID, runID string) (bool, error)
	// CloseRoom starts the run that closes a condemned room; it does no harm where one is open.
	CloseRoom(ctx context.Context, room minigroup.RoomPendingClose) error
	// Decided tells whoever waits for the minigroup in this process that the row shows something new.
	Decided(classID uuid.UUID)
	// Established hands them a minigroup that is ready, as the row shows it now.
	Established(m minigroup.Minigroup)
}

// Settings are what the operator decides.
type Settings struct {
	// StepWait is how long a step waits for an answer.
	StepWait time.Duration
	// Flight is how long the request of a create, or a PATCH, may be in flight.
	RequestTimeout time.Duration
	// Gateways says that slots are reserved with our own gateways, those of Group (empty: any); otherwise the number
	// goes with the conference room.
	Gateways bool
	Group    string
}

// Activities are the steps of the sagas. All fields must be set.
type Activities struct {
	Settings   Settings
	Ledger     Ledger
	Event      Event
	Conference Conference
	Janus      Janus
	Runs       Runs
	InFlight   *InFlight
}

// claiming runs do with the claim of this run, taking the row over from a run that is gone.
func (a *Activities) claiming(ctx context.Context, do func(minigroup.Claim) error) error {
	run := activity.GetInfo(ctx).WorkflowExecution
	return minigroup.TakeOver(run.RunID, func() (bool, error) {
		return a.Runs.IsCurrent(ctx, run.ID, run.RunID)
	}, do)
}

func runID(ctx context.Context) string { return activity.GetInfo(ctx).WorkflowExecution.RunID }
