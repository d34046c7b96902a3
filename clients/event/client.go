package event

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"minigroups/clients/rest"
	"minigroups/minigroup"
)

const (
	rooms      = "/api/v1/rooms"
	roomClosed = "room_closed"
)

// verdicts lists the error types that event returns before it changes a row; 401 and 403 need no entry. All others
// leave the outcome unknown, database_query_failed too: the connection may have failed after the commit.
var verdicts = rest.Verdicts{
	"invalid_payload":   rest.Refused,
	"invalid_room_time": rest.Refused,
	roomClosed:          rest.Refused,
	// Only events in a room.
	"invalid_event":         rest.Refused,
	"payload_size_exceeded": rest.Refused,

	"authorization_failed":                   rest.NotDone,
	"database_connection_acquisition_failed": rest.NotDone,
	"room_not_found":                         rest.NotDone, // event reads from a replica, which may lag behind
}

// Client calls event. It is safe for concurrent use. All its errors are *minigroup.UpstreamError.
type Client struct{ rest rest.Client }

// New returns a client of the event service at baseURL, which has no /api/v1. token returns the bearer token of each
// request.
func New(baseURL string, transport http.RoundTripper, token func() (string, error)) *Client {
	return &Client{rest.Client{
		Upstream: "event", URL: baseURL, Transport: transport, Token: token, Verdicts: verdicts,
	}}
}

type newRoom struct {
	Audience        string          `json:"audience"`
	ClassroomID     uuid.UUID       `json:"classroom_id"`
	Kind            string          `json:"kind"`
	Time            [2]*int64       `json:"time"`
	Tags            json.RawMessage `json:"tags,omitempty"`
	PreserveHistory bool            `json:"preserve_history"`
}

type room struct {
	ID uuid.UUID `json:"id"`
}

func (r room) check(id uuid.UUID) error {
	if r.ID != id {
		return fmt.Errorf("it is about room %s", r.ID)
	}
	return nil
}

// CreateRoom creates a room that opens at n.Start and has no end, and returns its id. Called twice it creates two
// rooms. If the error is MaybeDone, a room may exist whose id is unknown.
func (c *Client) CreateRoom(ctx context.Context, n minigroup.NewEventRoom) (uuid.UUID, error) {
	var created room
	err := c.rest.Do(ctx, rest.Call{
		Doing:  "create event room",
		Method: http.MethodPost,
		Path:   rooms,
		Body: newRoom{
			Audience:        n.Audience,
			ClassroomID:     n.ClassID,
			Kind:            "Minigroup",
			Time:            [2]*int64{&n.Start, nil},
			Tags:            n.Tags,
			PreserveHistory: true,
		},
		Reply: &created,
		Check: func() error {
			if created.ID == uuid.Nil {
				return errors.New("it contains no room id")
			}
			return nil
		},
	})
	if err != nil {
		return uuid.Nil, err
	}
	return created.ID, nil
}

// Room returns the current state of the room, open or closed. An error of Type room_not_found is not Refused.
func (c *Client) Room(ctx context.Context, id uuid.UUID) (minigroup.EventRoomState, error) {
	var reply struct {
		room
		ClassID uuid.UUID   `json:"classroom_id"`
		Time    []*int64    `json:"time"`
		Locked  lockedTypes `json:"locked_types"`
	}
	err := c.rest.Do(ctx, rest.Call{
		Doing:  "read event room",
		Method: http.MethodGet,
		Path:   rooms + "/" + id.String(),
		Reply:  &reply,
		Check: func() error {
			if len(reply.Time) != 2 {
				return fmt.Errorf("its time has %d elements instead of 2", len(reply.Time))
			}
			return reply.check(id)
		},
	})
	if err != nil {
		return minigroup.EventRoomState{}, err
	}
	return minigroup.EventRoomState{
		ID: id, ClassID: reply.ClassID, Time: minigroup.Window{Start: reply.Time[0], End: reply.Time[1]},
		Locks: minigroup.Locks{
			Chat:      reply.Locked.Message && reply.Locked.Reaction,
			Questions: reply.Locked.Question && reply.Locked.QuestionReaction,
		},
	}, nil
}

type lockedTypes struct {
	Message          bool `json:"message,omitempty"`
	Reaction         bool `json:"reaction,omitempty"`
	Question         bool `json:"question,omitempty"`
	QuestionReaction bool `json:"question_reaction,omitempty"`
}

// LockRoom adds locks to the room; event merges them with the locks that the room has. Called twice it changes nothing.
// An error of Type room_not_found is not Refused, because a new room may not be visible yet.
func (c *Client) LockRoom(ctx context.Context, id uuid.UUID, locks minigroup.Locks) error {
	return c.changeRoom(ctx, "lock "+locks.String()+" in event room", id, http.MethodPost, "/locked_types", struct {
		LockedTypes lockedTypes `json:"locked_types"`
	}{lockedTypes{
		Message: locks.Chat, Reaction: locks.Chat, Question: locks.Questions, QuestionReaction: locks.Questions,
	}})
}

// CloseRoom closes the room, whether it has opened or not. Closing a closed room is not an error. An error of Type
// room_not_found is not Refused, because a new room may not be visible yet.
func (c *Client) CloseRoom(ctx context.Context, id uuid.UUID) error {
	// [0, 1] is in the past by every clock. Event ends an open room now and keeps its start; a room that has not opened
	// takes the time as sent.
	err := c.changeRoom(ctx, "close event room", id, http.MethodPatch, "", struct {
		Time [2]int64 `json:"time"`
	}{[2]int64{0, 1}})
	if rest.ErrorType(err) == roomClosed {
		return nil
	}
	return err
}

// changeRoom sends a change of the room and checks that the reply is that room.
func (c *Client) changeRoom(ctx context.Context, doing string, id uuid.UUID, method, path string, body any) error {
	var changed room
	return c.rest.Do(ctx, rest.Call{
		Doing:  doing,
		Method: method,
		Path:   rooms + "/" + id.String() + path,
		Body:   body,
		Reply:  &changed,
		Check:  func() error { return changed.check(id) },
	})
}
