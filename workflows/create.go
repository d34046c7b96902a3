package workflows

import (
	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
	"minigroups/minigroup"
)

// CreateInput is the input of CreateMinigroup. Fields are only ever added.
type CreateInput struct {
	Draft activities.Draft `json:"draft"`
	// Patience is how many times a step is tried in the patient lane.
	Patience int32 `json:"patience"`
}

// CreateMinigroup makes an event room, a conference room and a reservation of slots, and establishes the minigroup when it
// has all of them. A refusal, the end of patience and a cancel undo everything. The run ends Completed when the minigroup
// is ready, Failed when it could not be had and Canceled when it was cancelled.
func CreateMinigroup(ctx workflow.Context, in CreateInput) error {
	p := newProgress(ctx, operationCreate, stageCreating)
	err := create(ctx, p, in)
	if err == nil {
		return p.done(ctx)
	}
	reason, _, superseded := reasonOf(ctx, err)
	if superseded {
		return p.stopped(ctx, err)
	}
	ready, undone, err := undo(ctx, p, in.Draft.Minigroup().ClassID(), &in.Draft, reason)
	switch {
	case err != nil:
		return p.stopped(ctx, err)
	case ready: // what came after establish does not matter any more
		return p.done(ctx)
	default:
		return p.failed(ctx, undone)
	}
}

func create(ctx workflow.Context, p *progress, in CreateInput) error {
	var a *activities.Activities
	begun, err := call(ctx, p, "Begin", forward(in.Patience), a.BeginCreate, activities.BeginCreateInput{Draft: in.Draft})
	if err != nil {
		return err
	}
	switch begun.State {
	case minigroup.Ready:
		return nil
	case minigroup.Creating:
	default: // this run has come to that before, and its undo goes on from there
		return temporal.NewNonRetryableApplicationError(begun.Failure.Detail, string(begun.Failure.Kind), nil, *begun.Failure)
	}
	err = parallel(ctx,
		func(ctx workflow.Context) error {
			return eventRoom(ctx, p, in.Patience, activities.RoomInput{Draft: in.Draft, Attempt: begun.EventAttempt})
		},
		func(ctx workflow.Context) error {
			_, err := conferenceRoom(ctx, p, in.Patience, activities.RoomInput{Draft: in.Draft, Attempt: begun.ConferenceAttempt})
			return err
		},
		func(ctx workflow.Context) error { return slots(ctx, p, in, begun.Reservation) },
	)
	if err != nil {
		return err
	}
	return do(ctx, p, "Establish", forward(in.Patience), a.Establish, activities.ClassRef{ID: in.Draft.Minigroup().ClassID()})
}

// together runs the branches at the same time. The first that fails cancels the others; its error is returned.
func parallel(ctx workflow.Context, branches ...func(workflow.Context) error) error {
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	var first error
	wg := workflow.NewWaitGroup(ctx)
	for _, branch := range branches {
		wg.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer wg.Done()
			if err := branch(ctx); err != nil && first == nil {
				first = err
				cancel()
			}
		})
	}
	wg.Wait(ctx)
	return first
}

// eventRoom makes an event room in which that is locked that was asked for.
func eventRoom(ctx workflow.Context, p *progress, patience int32, in activities.RoomInput) error {
	var a *activities.Activities
	room, err := call(ctx, p, "Create the event room", forward(patience), a.CreateEventRoom, in)
	locks := in.Draft.Minigroup().Locks()
	if err != nil || !locks.Any() {
		return err
	}
	return do(ctx, p, "Lock "+locks.String(), forward(patience), a.LockRoom,
		activities.LockInput{Room: room, Chat: locks.Chat, Questions: locks.Questions})
}

func conferenceRoom(ctx workflow.Context, p *progress, patience int32, in activities.RoomInput) (uuid.UUID, error) {
	var a *activities.Activities
	return call(ctx, p, "Create the conference room", forward(patience), a.CreateConferenceRoom, in)
}

// slots has the reservation shown by its gateway. A gateway that does not answer for long is given up for another one,
// and waited for only where the slots fit on no other.
func slots(ctx workflow.Context, p *progress, in CreateInput, reservation uuid.UUID) error {
	var a *activities.Activities
	for reservation != uuid.Nil {
		err := do(ctx, p, "Reserve slots on the gateway", brief, a.ReserveSlots, activities.ReservationRef{ID: reservation})
		if err == nil || done(ctx, err) {
			return err
		}
		next := uuid.NewSHA1(reservation, []byte("moved to another gateway"))
		err = do(ctx, p, "Reserve slots on another gateway", forward(in.Patience), a.MoveReservation,
			activities.MoveReservationInput{Draft: in.Draft, From: reservation, To: next})
		if failure, _, _ := activities.FailureOf(err); err != nil && failure.Kind == minigroup.CapacityExceeded {
			return do(ctx, p, "Wait for the gateway", forward(in.Patience), a.ReserveSlots, activities.ReservationRef{ID: reservation})
		}
		if err != nil {
			return err
		}
		reservation = next
	}
	return nil
}

// reasonOf tells in words of ours why a saga ends.
func reasonOf(ctx workflow.Context, err error) (reason activities.Failure, final, superseded bool) {
	if ctx.Err() != nil {
		return cancelled, true, false
	}
	return activities.FailureOf(err)
}

// cancelled is the reason of a saga that was cancelled.
var cancelled = activities.Failure{Kind: minigroup.OperationCancelled, Detail: "cancelled by an operator"}
