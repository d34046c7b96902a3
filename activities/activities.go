package activities

import (
	"context"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"

	"minigroups/minigroup"
)

// Ledger is what the steps use of the ledger in Postgres; storage.Store documents its methods. Its parts are declared
// beside the steps that use them. *minigroup.Error, *minigroup.OwnedError and *minigroup.SupersededError are its
// decisions; all other errors are retryable.
type Ledger interface {
	CreateLedger
	RoomLedger
	AnswerLedger
	ReservationLedger
	UpdateLedger
	PatchLedger
}

// Event is the service that has event rooms. The errors of all services are *minigroup.UpstreamError.
type Event interface {
	CreateRoom(ctx context.Context, r minigroup.NewEventRoom) (uuid.UUID, error)
	LockRoom(ctx context.Context, room uuid.UUID, locks minigroup.Locks) error
	CloseRoom(ctx context.Context, room uuid.UUID) error
}

// Conference is the service that has conference rooms.
type Conference interface {
	CreateRoom(ctx context.Context, r minigroup.NewConferenceRoom) (uuid.UUID, error)
	Room(ctx context.Context, room uuid.UUID) (minigroup.ConferenceRoomState, error)
	PatchRoom(ctx context.Context, room uuid.UUID, p minigroup.ConferencePatch) (minigroup.ConferenceRoomState, error)
	CloseRoom(ctx context.Context, room uuid.UUID) error
}

// Janus reserves slots on gateways, as rooms with a maximum number of publishers.
type Janus interface {
	Reserve(ctx context.Context, b minigroup.Backend, room uuid.UUID, slots int32, description string) error
	Release(ctx context.Context, b minigroup.Backend, room uuid.UUID) error
}

// Runs is what the steps use of Temporal, and how they notify the API requests that wait in this process.
type Runs interface {
	RoomCloser
	// IsCurrent reports whether the run is the latest of its workflow id and open.
	IsCurrent(ctx context.Context, workflowID, runID string) (bool, error)
	// Decided notifies the requests that wait for the minigroup that its row has changed.
	Decided(classID uuid.UUID)
	// Established notifies them that the minigroup has become ready, and hands them its row.
	Established(m minigroup.Minigroup)
}

// RoomCloser starts the runs that close rooms.
type RoomCloser interface {
	// CloseRoom starts the run that closes a room pending close. It does nothing if one is open.
	CloseRoom(ctx context.Context, room minigroup.RoomPendingClose) error
}

// Settings are what the operator configures.
type Settings struct {
	// StepWait is how long one attempt of a step waits for an answer.
	StepWait time.Duration
	// RequestTimeout is the maximum duration of a request that creates or changes a room.
	RequestTimeout time.Duration
	// Gateways says that slots are reserved on our own gateways, those of Group (empty: any). Otherwise conference
	// receives the number of slots with its room.
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
	// Limits are those within which Event, Conference and Janus send their requests.
	Limits *Limits
}

// withClaim calls do with the claim of this run to its minigroup's row. If another run owns the row and Temporal says
// that this run is the current one, withClaim calls do again with a claim that replaces the owner.
func (a *Activities) withClaim(ctx context.Context, do func(minigroup.Claim) error) error {
	run := activity.GetInfo(ctx).WorkflowExecution
	return minigroup.TakeOver(run.RunID, func() (bool, error) {
		return a.Runs.IsCurrent(ctx, run.ID, run.RunID)
	}, do)
}

func runID(ctx context.Context) string { return activity.GetInfo(ctx).WorkflowExecution.RunID }
