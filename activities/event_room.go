package activities

import (
	"context"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// CreateEventRoom ensures that the class has a held event room, and returns it. It creates a room that opens now and
// has no end. A refusal is not retried.
func (a *Activities) CreateEventRoom(ctx context.Context, in RoomInput) (HeldRoom, error) {
	return a.createRoom(ctx, minigroup.EventRoom, in, func(ctx context.Context) (uuid.UUID, error) {
		return a.Event.CreateRoom(ctx, minigroup.NewEventRoom{
			Audience: in.Draft.Audience, ClassID: in.ClassID, Start: time.Now().Unix(), Tags: in.Draft.Tags,
		})
	})
}

// LockInput names an event room and what to lock in it.
type LockInput struct {
	Room uuid.UUID `json:"room"`
	// ClassID is that of the create that the room is for; uuid.Nil if it is for a recreate.
	ClassID   uuid.UUID `json:"class_id"`
	Chat      bool      `json:"chat,omitempty"`
	Questions bool      `json:"questions,omitempty"`
}

// LockRoom locks the chat, the questions or both in a held event room and records that.
func (a *Activities) LockRoom(ctx context.Context, in LockInput) (Completion, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	if err := a.Event.LockRoom(ctx, in.Room, minigroup.Locks{Chat: in.Chat, Questions: in.Questions}); err != nil {
		return Completion{}, toApplicationError(err)
	}
	var create minigroup.RunningCreate
	if in.ClassID != uuid.Nil {
		create = a.runningCreate(ctx, in.ClassID)
	}
	established, err := a.Ledger.RoomLocked(ctx, in.Room, create)
	return a.completed(established), toApplicationError(err)
}
