package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"

	"minigroups/limiter"
	"minigroups/minigroup"
	"minigroups/stored"
)

// RoomLedger records the attempts to create rooms, and the rooms pending close.
type RoomLedger interface {
	OpenAttempt(ctx context.Context, a minigroup.AttemptEntry) (minigroup.Attempt, error)
	RoomLocked(
		ctx context.Context, roomID uuid.UUID, c minigroup.RunningCreate,
	) (established *minigroup.Minigroup, err error)
	RoomsPendingClose(ctx context.Context, classID uuid.UUID) ([]minigroup.RoomPendingClose, error)
	RoomPendingClose(ctx context.Context, roomID uuid.UUID) (minigroup.RoomPendingClose, bool, error)
	RoomReleased(ctx context.Context, roomID uuid.UUID) error
	RoomKnownSince(ctx context.Context, roomID uuid.UUID) (time.Time, error)
}

// RoomInput is the input of the steps that create a room of a class.
type RoomInput struct {
	ClassID uuid.UUID    `json:"class_id"`
	Draft   stored.Draft `json:"draft"`
	// Operation is what the room is for. Fingerprint is that of the create request, or the id of the update that recreates
	// the class.
	Operation   minigroup.AttemptOperation `json:"operation"`
	Fingerprint string                     `json:"fingerprint"`
	// Attempt is the attempt that the begin of the operation has written; uuid.Nil if it has written none.
	Attempt uuid.UUID `json:"attempt"`
}

// create is the create that the room is for; zero if it is for a recreate.
func (in RoomInput) create(ctx context.Context, a *Activities) minigroup.RunningCreate {
	if in.Operation != minigroup.ForCreate {
		return minigroup.RunningCreate{}
	}
	return a.runningCreate(ctx, in.ClassID)
}

// HeldRoom is a room that a class has.
type HeldRoom struct {
	ID uuid.UUID `json:"id"`
	Completion
}

// createRoom ensures that the class has a held room, and returns it. It joins the request in flight, or sends
// one as soon as the service has capacity for it, and waits up to Settings.StepWait for the answer. The request
// outlives the step: it ends at its own deadline.
func (a *Activities) createRoom(
	ctx context.Context, kind minigroup.RoomKind, in RoomInput, send func(context.Context) (uuid.UUID, error),
) (HeldRoom, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	request, room, err := a.startOrJoin(ctx, kind, in, send)
	if request == nil {
		return HeldRoom{ID: room}, toApplicationError(err)
	}
	select {
	case <-request.done:
		return HeldRoom{request.room, a.completed(request.established)}, toApplicationError(request.err)
	case <-ctx.Done():
		return HeldRoom{}, toApplicationError(createFailed(kind, true, fmt.Sprintf(
			"no answer within %s; the request is still in flight", a.Settings.StepWait)))
	}
}

// startOrJoin returns the request in flight for a room, or the room if it is held. If there is neither, it sends a
// request. Without a permit it writes no attempt to the ledger, and while it waits for one, none that it has written
// before stays there longer than the wait.
func (a *Activities) startOrJoin(
	ctx context.Context, kind minigroup.RoomKind, in RoomInput, send func(context.Context) (uuid.UUID, error),
) (*request, uuid.UUID, error) {
	service := string(kind)
	permit := a.Limits.try(ctx, service)
	defer func() {
		if permit != nil {
			permit.Release()
		}
	}()
	for attempt := in.Attempt; ; {
		request, sent := a.InFlight.find(attempt)
		if sent {
			return request, uuid.Nil, nil
		}
		if request == nil {
			opened, err := a.openAttempt(ctx, kind, in, permit != nil)
			if err != nil || opened.State == minigroup.AttemptHeld {
				return nil, opened.RoomID, err
			}
			attempt = opened.ID
			if request, sent = a.InFlight.find(attempt); sent {
				return request, uuid.Nil, nil
			}
			if request == nil && opened.State == minigroup.AttemptSent {
				// Another process has sent it, or this one has just recorded its outcome. The next attempt of the step finds that.
				return nil, uuid.Nil, createFailed(kind, true, fmt.Sprintf(
					"a request of another worker is in flight for up to %s", opened.ExpiresIn.Round(time.Second)))
			}
		}
		switch {
		case permit == nil:
			var err error
			if permit, err = a.Limits.acquire(ctx, service, service, createsRoom(kind)); err != nil {
				if request != nil {
					a.InFlight.drop(request)
				}
				return nil, uuid.Nil, err
			}
		case a.InFlight.start(request, a.detached(ctx, service, permit, send), permit.Release):
			permit = nil // the request releases it
			return request, uuid.Nil, nil
		}
	}
}

// detached returns send for a context that has the values of the step, but does not end with it.
func (a *Activities) detached(
	ctx context.Context, service string, permit *limiter.Permit, send func(context.Context) (uuid.UUID, error),
) func(context.Context) (uuid.UUID, error) {
	return func(request context.Context) (uuid.UUID, error) {
		//nolint:contextcheck // the request ends at its own deadline
		return send(withPermit(withValuesOf{request, ctx}, service, permit))
	}
}

// openAttempt returns the attempt that is held or in flight; if there is none, it writes and registers a new one. If it
// may not, the attempt has no state.
func (a *Activities) openAttempt(
	ctx context.Context, kind minigroup.RoomKind, in RoomInput, mayWrite bool,
) (minigroup.Attempt, error) {
	id := uuid.New()
	deadline := time.Now().Add(a.Settings.RequestTimeout)
	attempt, err := a.Ledger.OpenAttempt(ctx, minigroup.AttemptEntry{
		ID: id, Run: runID(ctx), ClassID: in.ClassID, Kind: kind, Operation: in.Operation, Fingerprint: in.Fingerprint,
		NoNew: !mayWrite, RequestTimeout: a.Settings.RequestTimeout,
	})
	if err != nil {
		a.InFlight.abandon(ctx, err, id)
	} else if attempt.ID == id {
		a.InFlight.register(request{
			attempt: id, classID: in.ClassID, kind: kind, create: in.create(ctx, a), deadline: deadline,
		})
	}
	return attempt, err
}

// newAttempt returns the id of an attempt for the begin of an operation to write, or uuid.Nil if the service has no
// capacity at present: then the step that creates the room writes the attempt once it may send the request.
func (a *Activities) newAttempt(ctx context.Context, kind minigroup.RoomKind) uuid.UUID {
	if !a.Limits.free(ctx, string(kind)) {
		return uuid.Nil
	}
	return uuid.New()
}

// startOr returns the start of a window in unix seconds, or now if it has none, because rooms always have a start.
func startOr(w minigroup.Window, now time.Time) int64 {
	if w.Start != nil {
		return *w.Start
	}
	return now.Unix()
}

// replicaLag is how long a service that reads from a replica may not know a room after its creation.
const replicaLag = 2 * time.Minute

// Room names a room in another service.
type Room struct {
	Kind minigroup.RoomKind `json:"kind"`
	ID   uuid.UUID          `json:"id"`
}

func toRooms(rooms []minigroup.RoomPendingClose) []Room {
	out := make([]Room, len(rooms))
	for i, r := range rooms {
		out[i] = Room{Kind: r.Kind, ID: r.ID}
	}
	return out
}

// CloseRoomIfPresent closes a room pending close and records that. It does nothing to a room that the ledger does not
// list as pending close. A room that is closed already or does not exist counts as closed. Even a refusal is retried.
func (a *Activities) CloseRoomIfPresent(ctx context.Context, in Room) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	room, pending, err := a.Ledger.RoomPendingClose(ctx, in.ID)
	if err != nil || !pending {
		return asRetryable(err)
	}
	if room.Kind == minigroup.EventRoom {
		err = a.Event.CloseRoom(ctx, room.ID)
	} else {
		err = a.Conference.CloseRoom(ctx, room.ID)
	}
	if isUnknownRoom(err) && time.Since(room.AnsweredAt) > replicaLag {
		err = nil
	}
	if err != nil {
		return asRetryable(err)
	}
	return asRetryable(a.Ledger.RoomReleased(ctx, room.ID))
}

// closePending starts the runs that close the rooms pending close of a class, even if the step was cancelled. The
// sweeper starts those that fail to start here.
func (a *Activities) closePending(ctx context.Context, class uuid.UUID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.Settings.StepWait)
	defer cancel()
	rooms, err := a.Ledger.RoomsPendingClose(ctx, class)
	if err != nil {
		activity.GetLogger(ctx).Warn("rooms pending close are left to the sweeper", "class_id", class, "error", err)
	}
	a.closeRooms(ctx, rooms)
}

func (a *Activities) closeRooms(ctx context.Context, rooms []minigroup.RoomPendingClose) {
	for _, room := range rooms {
		if err := a.Runs.CloseRoom(ctx, room); err != nil {
			activity.GetLogger(ctx).Warn("a room pending close is left to the sweeper",
				"kind", room.Kind, "room_id", room.ID, "error", err)
		}
	}
}

// createFailed is the error of a step that ends without an answer from the service. detail says why.
func createFailed(kind minigroup.RoomKind, maybeDone bool, detail string) error {
	return &minigroup.UpstreamError{
		Upstream: string(kind), Doing: createsRoom(kind), MaybeDone: maybeDone, Detail: detail,
	}
}

func createsRoom(kind minigroup.RoomKind) string { return fmt.Sprintf("create %s room", kind) }

// roomNotFound is the error type with which event and conference say that they do not know a room.
const roomNotFound = "room_not_found"

func isUnknownRoom(err error) bool {
	var upstream *minigroup.UpstreamError
	return errors.As(err, &upstream) && upstream.Type == roomNotFound
}

// withValuesOf is the context of a request with the values of the step that started it: the request id and the trace.
// It does not end with the step.
type withValuesOf struct {
	context.Context
	step context.Context
}

// Value looks in the request's context first.
func (c withValuesOf) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.step.Value(key)
}
