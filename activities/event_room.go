package activities

import (
	"context"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// CreateEventRoom brings the class to a held event room, open from now on, and returns its id. Refusals end it.
func (a *Activities) CreateEventRoom(ctx context.Context, in RoomInput) (uuid.UUID, error) {
	draft := in.Draft.Minigroup()
	return a.createRoom(ctx, minigroup.EventRoom, in, func(ctx context.Context) (uuid.UUID, error) {
		return a.Event.CreateRoom(ctx, minigroup.NewEventRoom{
			Audience: draft.Audience, ClassID: draft.ClassID(), Start: time.Now().Unix(), Tags: draft.Tags,
		})
	})
}

// LockChat locks messages and reactions in a held event room and notes it.
func (a *Activities) LockChat(ctx context.Context, room uuid.UUID) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	if err := a.Event.LockChat(ctx, room); err != nil {
		return failed(err)
	}
	return failed(a.Ledger.ChatLocked(ctx, room))
}
