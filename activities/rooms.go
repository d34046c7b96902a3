package activities

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// RoomInput asks for a room of a draft.
type RoomInput struct {
	Draft Draft `json:"draft"`
	// Attempt is the attempt that begin has written; the zero uuid where there is none.
	Attempt uuid.UUID `json:"attempt"`
	// Recreate is the id of the update that recreates the class; zero where the class is created.
	Recreate uuid.UUID `json:"recreate,omitzero"`
}

// createRoom brings the class to a held room: it joins a request in flight, or sends one, and waits for the answer a
// limited time. The request itself lives on until its moment, whatever becomes of this step.
func (a *Activities) createRoom(ctx context.Context, kind minigroup.RoomKind, in RoomInput, send func(context.Context) (uuid.UUID, error)) (uuid.UUID, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	fly := func(flight context.Context) (uuid.UUID, error) { return send(carrying{flight, ctx}) } //nolint:contextcheck // it ends with the flight
	fl := a.InFlight.board(in.Attempt, fly)
	if fl == nil {
		attempt, err := a.openAttempt(ctx, kind, in)
		if err != nil {
			return uuid.Nil, toApplicationError(err)
		}
		switch attempt.State {
		case minigroup.AttemptHeld:
			return attempt.RoomID, nil
		case "":
			return uuid.Nil, toApplicationError(limitReached(kind))
		}
		if fl = a.InFlight.board(attempt.ID, fly); fl == nil {
			return uuid.Nil, toApplicationError(fmt.Errorf("create %s room: its request has just been answered; looking again", kind))
		}
	}
	select {
	case <-fl.done:
		return fl.room, toApplicationError(fl.err)
	case <-ctx.Done():
		return uuid.Nil, toApplicationError(noAnswer(kind, true, fmt.Sprintf("no answer within %s; the request is still in flight", a.Settings.StepWait)))
	}
}

func (a *Activities) openAttempt(ctx context.Context, kind minigroup.RoomKind, in RoomInput) (minigroup.Attempt, error) {
	draft := in.Draft.Minigroup()
	classID := draft.ClassID()
	id := uuid.New()
	deadline := time.Now().Add(a.Settings.RequestTimeout)
	entry := minigroup.AttemptEntry{
		ID: id, Run: runID(ctx), ClassID: classID, Kind: kind, Operation: minigroup.ForCreate, Fingerprint: draft.Fingerprint(),
		Flying: a.InFlight.of(classID, kind), Full: a.InFlight.full(kind, draft.Audience), RequestTimeout: a.Settings.RequestTimeout,
	}
	if in.Recreate != uuid.Nil {
		entry.Operation, entry.Fingerprint = minigroup.ForRecreate, in.Recreate.String()
	}
	attempt, err := a.Ledger.OpenAttempt(ctx, entry)
	if err == nil && attempt.ID == id {
		a.InFlight.expect(id, boarding{audience: draft.Audience, classID: classID, kind: kind, deadline: deadline})
	}
	return attempt, err
}

// startOr is the start of a room for a class: rooms know no class without a start.
func startOr(w minigroup.Window, now time.Time) int64 {
	if w.Start != nil {
		return *w.Start
	}
	return now.Unix()
}

// yieldsToReplicaLag is how long a room that was just created may be unknown to a service that reads from a replica.
const yieldsToReplicaLag = 2 * time.Minute

// CloseRoomIfPresent closes a condemned room and notes it. A room that the ledger does not condemn is left alone, one
// that is closed already or does not exist counts as closed.
func (a *Activities) CloseRoomIfPresent(ctx context.Context, in Room) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	room, condemned, err := a.Ledger.RoomPendingClose(ctx, in.ID)
	if err != nil || !condemned {
		return asRetryable(err)
	}
	if room.Kind == minigroup.EventRoom {
		err = a.Event.CloseRoom(ctx, room.ID)
	} else {
		err = a.Conference.CloseRoom(ctx, room.ID)
	}
	if isUnknownRoom(err) && time.Since(room.AnsweredAt) > yieldsToReplicaLag {
		err = nil
	}
	if err != nil {
		return asRetryable(err)
	}
	return asRetryable(a.Ledger.RoomReleased(ctx, room.ID))
}
