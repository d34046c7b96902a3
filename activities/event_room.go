package activities

import (
	"context"
	"encoding/json"
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

// LockInput names an event room and what is to be locked in it.
type LockInput struct {
	Room      uuid.UUID `json:"room"`
	Chat      bool      `json:"chat,omitempty"`
	Questions bool      `json:"questions,omitempty"`
}

// UnmarshalJSON takes the bare id of a room, too: that was the input when there was only the chat to lock.
func (in *LockInput) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		in.Chat = true
		return json.Unmarshal(text, &in.Room)
	}
	type plain LockInput
	return json.Unmarshal(text, (*plain)(in))
}

// LockRoom locks what was asked for in a held event room and notes it. It keeps the name that it has in histories.
func (a *Activities) LockRoom(ctx context.Context, in LockInput) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	if err := a.Event.LockRoom(ctx, in.Room, minigroup.Locks{Chat: in.Chat, Questions: in.Questions}); err != nil {
		return toApplicationError(err)
	}
	return toApplicationError(a.Ledger.RoomLocked(ctx, in.Room))
}
