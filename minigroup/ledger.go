package minigroup

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// The ledger is what Postgres knows of everything that was asked of other services. Runs come and go, may be
// frozen and thawed, and may work on after they were terminated; the ledger decides whose word counts.

// OwnedError says that a minigroup's row belongs to another run than the one that asked. The row may be taken
// over if that run is gone: name it as the one to replace and ask again.
type OwnedError struct{ Owner string }

func (e *OwnedError) Error() string { return "the minigroup belongs to run " + e.Owner }

// SupersededError says that a run's work no longer counts: its minigroup was taken over, undone or established meanwhile.
type SupersededError struct{ Why string }

func (e *SupersededError) Error() string { return "superseded: " + e.Why }

// Supersededf makes a SupersededError.
func Supersededf(format string, args ...any) error {
	return &SupersededError{Why: fmt.Sprintf(format, args...)}
}

// Claim is how a run takes hold of a minigroup's row.
type Claim struct {
	// Run is the run that takes the row.
	Run string
	// Replaces is the owner that was seen and found gone; the row is taken from no other. Empty claims only a
	// row that does not exist yet or is the run's own.
	Replaces string
}

// TakeOver lets a run act on a row that another run may own: do is called with a claim, and again, naming the owner it
// met as the one to replace, if current says that the run is the open one of its workflow id. Only then is that owner gone
// for good. It returns *SupersededError where the run is not current.
func TakeOver(run string, current func() (bool, error), do func(Claim) error) error {
	claim := Claim{Run: run}
	for range 5 {
		err := do(claim)
		var owned *OwnedError
		if !errors.As(err, &owned) {
			return err
		}
		ok, err := current()
		if err != nil {
			return err
		}
		if !ok {
			return Supersededf("run %s is not the open run of this minigroup", run)
		}
		claim.Replaces = owned.Owner
	}
	return fmt.Errorf("the owner of the minigroup keeps changing")
}

// AttemptOperation says for which operation on a minigroup a room is made.
type AttemptOperation string

// The operations that make rooms. A room of ForRecreate becomes one of ForCreate when it takes the place of the one before.
const (
	ForCreate   AttemptOperation = "create"
	ForRecreate AttemptOperation = "recreate"
)

// AttemptState is where an attempt to create a room stands.
type AttemptState string

// The states of an attempt:
//
//	sent ─► held ─► releasing ─► released     the room exists; it is closed when it is no longer wanted
//	sent ─► refused                           the room was never made
//	sent ─► releasing                         condemned while its request is in flight; the reply brings the id
//	sent, releasing ─► lost                   its moment passed without an answer; a reply turns it into releasing
const (
	AttemptSent      AttemptState = "sent"
	AttemptHeld      AttemptState = "held"
	AttemptReleasing AttemptState = "releasing"
	AttemptReleased  AttemptState = "released"
	AttemptRefused   AttemptState = "refused"
	AttemptLost      AttemptState = "lost"
)

// Attempt is one request to create a room.
type Attempt struct {
	ID    uuid.UUID
	State AttemptState
	// RoomID is set once a reply has brought it.
	RoomID uuid.UUID
	// ExpiresIn is how long the request of a sent attempt may still be in flight.
	ExpiresIn time.Duration
}

// RoomPendingClose is a room that must be closed.
type RoomPendingClose struct {
	Kind    RoomKind
	ID      uuid.UUID
	ClassID uuid.UUID
	// AnsweredAt is when its service told its id.
	AnsweredAt time.Time
}

// ReservationState is where a reservation of slots stands.
type ReservationState string

// The states of a reservation: pending ─► held ─► releasing ─► released; capacity counts until released.
const (
	ReservationPending   ReservationState = "pending"
	ReservationHeld      ReservationState = "held"
	ReservationReleasing ReservationState = "releasing"
	ReservationReleased  ReservationState = "released"
)

// Reservation is a number of slots on a gateway for a window of time. Its id is the id of the gateway's room.
type Reservation struct {
	ID      uuid.UUID
	ClassID uuid.UUID
	Backend Backend
	Slots   int32
	State   ReservationState
	// Doubtful says that a request to make the room went unanswered and may still be executed.
	Doubtful bool
}

// GatewayRoom is a room of ours as a gateway shows it.
type GatewayRoom struct {
	ID uuid.UUID
	// Slots is the number of publishers it takes.
	Slots int32
}

// Begun is what a create finds when it begins.
type BegunCreate struct {
	// State is Creating when the run is to go on, Ready when the minigroup is there already, Undoing or Failed when
	// this very run has come to that before.
	State   State
	Failure *Failure
	// EventAttempt and ConferenceAttempt are attempts written for this run and not sent yet; uuid.Nil where a room
	// is held already or a request is in flight.
	EventAttempt      uuid.UUID
	ConferenceAttempt uuid.UUID
	// Reservation is uuid.Nil where no slots are reserved with a gateway.
	Reservation uuid.UUID
	// Condemned lists rooms of the class that nobody wants any more, those of an earlier draft for one.
	PendingClose []RoomPendingClose
}

// Condemned is what an undo finds when it begins.
type BegunUndo struct {
	// State is Undoing when there may be something to undo, Ready when the minigroup was established and nothing is
	// undone, Failed when all is done already. It is empty where there is no row and none was to be made.
	State        State
	Rooms        []RoomPendingClose
	Reservations []uuid.UUID
	Failure      *Failure
}

// UpdateRecord is an update as the ledger knows it.
type UpdateRecord struct {
	Update
	ClassID uuid.UUID
	// Run is the run that carries the update out.
	Run  string
	Plan UpdatePlan
	// ConferenceRoomID is the room that Plan.Patch is for.
	ConferenceRoomID uuid.UUID
	// PatchOpen says that a PATCH was sent whose outcome is not known, and PatchLeft how long it may still be in flight.
	PatchOpen bool
	PatchLeft time.Duration
	// Patches counts the PATCHes that may have been sent.
	Patches int
}

// BegunUpdate is what an update finds when it begins.
type BegunUpdate struct {
	// State is UpdateRequested while the update has yet to begin, UpdateRunning when it has; UpdateDone or UpdateFailed
	// when it was decided before.
	State   UpdateState
	Failure *Failure
	// Unfinished is the id of another update of the minigroup whose outcome is open and must be settled first; uuid.Nil where there is none.
	Unfinished uuid.UUID
	// UnfinishedRecreate says that the other is a recreate: its outcome is ours to decide.
	UnfinishedRecreate bool
	// Minigroup is what the update starts from; it is empty where the update was decided before.
	Minigroup Minigroup
}

// UnansweredPatch is a PATCH of a decided update that conference may have executed unseen.
type UnansweredPatch struct {
	UpdateID uuid.UUID
	Patch    ConferencePatch
}
