package workflows

import (
	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
)

// CreateInput is the input of CreateMinigroup. Fields are only ever added.
type CreateInput struct {
	Request stored.CreateRequest `json:"request"`
	// MaxAttempts bounds the attempts of each step's retry phase; 0: unlimited.
	MaxAttempts int32 `json:"max_attempts"`
}

// CreateMinigroup creates an event room, a conference room and a reservation of slots, and establishes the minigroup
// once it has all of them. A refusal, the end of the retry budget and a cancel undo everything. The run ends Completed
// when the minigroup is ready, Failed when it could not be created and Canceled when it was cancelled.
func CreateMinigroup(ctx workflow.Context, in CreateInput) error {
	p := newProgress(ctx, operationCreate, stageCreating)
	begun, err := create(ctx, p, in)
	if err == nil {
		return p.complete(ctx)
	}
	reason, _, superseded := reasonOf(ctx, err)
	request := &in.Request
	if superseded {
		if !begun {
			return p.abort(ctx, err)
		}
		// If the row belongs to this run, an execution that was lost has begun the undo: it goes on. If this run was reset,
		// it takes the row and undoes the create. Else another run has taken the row, which BeginUndo finds out.
		request, reason = nil, runGone
	}
	ready, recorded, err := undo(ctx, p, in.Request.ClassID, request, reason)
	switch {
	case err != nil:
		return p.abort(ctx, err)
	case ready: // establish succeeded before the error, for example before a cancel
		return p.complete(ctx)
	default:
		return p.fail(ctx, recorded)
	}
}

// create takes a create to its commit point. begun says that the row is that of this create.
func create(ctx workflow.Context, p *progress, in CreateInput) (begun bool, err error) {
	var a *activities.Activities
	policy := bounded(in.MaxAttempts)
	first, err := executeStep(ctx, p, "Begin", policy, a.BeginCreate, in.Request)
	if err != nil {
		return false, err
	}
	switch first.State {
	case minigroup.Ready:
		return true, nil
	case minigroup.Creating:
	default: // an earlier execution of this run failed the create; its undo continues
		return true, temporal.NewNonRetryableApplicationError(
			first.Failure.Detail, string(first.Failure.Kind), nil, *first.Failure)
	}
	room := func(attempt uuid.UUID) activities.RoomInput {
		return activities.RoomInput{
			ClassID: in.Request.ClassID, Draft: in.Request.Draft, Operation: minigroup.ForCreate,
			Fingerprint: in.Request.Fingerprint, Attempt: attempt,
		}
	}
	established := false
	step := func(do func(workflow.Context) (activities.Completion, error)) func(workflow.Context) error {
		return func(ctx workflow.Context) error {
			done, err := do(ctx)
			established = established || done.Established
			return err
		}
	}
	err = parallel(ctx,
		step(func(ctx workflow.Context) (activities.Completion, error) {
			return createEventRoom(ctx, p, policy, room(first.EventAttempt))
		}),
		step(func(ctx workflow.Context) (activities.Completion, error) {
			created, err := createConferenceRoom(ctx, p, policy, room(first.ConferenceAttempt))
			return created.Completion, err
		}),
		step(func(ctx workflow.Context) (activities.Completion, error) {
			return reserveSlots(ctx, p, policy, in.Request, first.Reservation)
		}),
	)
	if err != nil || established { // by the last of these steps, as is usual
		return true, err
	}
	return true, runStep(ctx, p, "Establish", policy, a.Establish, activities.ClassRef{ID: in.Request.ClassID})
}

// parallel runs the branches concurrently. The first failure cancels the other branches; its error is returned.
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

// createEventRoom creates an event room and locks in it what the draft asks for.
func createEventRoom(
	ctx workflow.Context, p *progress, policy stepPolicy, in activities.RoomInput,
) (activities.Completion, error) {
	var a *activities.Activities
	room, err := executeStep(ctx, p, "Create the event room", policy, a.CreateEventRoom, in)
	locks := in.Draft.Draft().Locks()
	if err != nil || !locks.Any() {
		return room.Completion, err
	}
	lock := activities.LockInput{Room: room.ID, Chat: locks.Chat, Questions: locks.Questions}
	if in.Operation == minigroup.ForCreate {
		lock.ClassID = in.ClassID
	}
	return executeStep(ctx, p, "Lock "+locks.String(), policy, a.LockRoom, lock)
}

func createConferenceRoom(
	ctx workflow.Context, p *progress, policy stepPolicy, in activities.RoomInput,
) (activities.HeldRoom, error) {
	var a *activities.Activities
	return executeStep(ctx, p, "Create the conference room", policy, a.CreateConferenceRoom, in)
}

// reserveSlots makes a gateway show the reservation, if the create has one.
func reserveSlots(
	ctx workflow.Context, p *progress, policy stepPolicy, request stored.CreateRequest, reservation uuid.UUID,
) (activities.Completion, error) {
	var a *activities.Activities
	if reservation == uuid.Nil {
		return activities.Completion{}, nil
	}
	return executeStep(ctx, p, "Reserve slots on the gateway", policy, a.ReserveSlots,
		activities.ReserveSlotsInput{Request: request})
}

// reasonOf says why a step has ended its saga. final means that retrying is pointless, superseded that another run owns
// the minigroup.
func reasonOf(ctx workflow.Context, err error) (reason stored.Failure, final, superseded bool) {
	if ctx.Err() != nil {
		return cancelled, true, false
	}
	return activities.FailureOf(err)
}

// cancelled is the reason of a saga that was cancelled.
var cancelled = stored.Failure{Kind: minigroup.OperationCancelled, Detail: "it was cancelled"}
