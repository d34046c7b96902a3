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

// verdicts holds what event answers before it touches its table; its 401s and 403s need no entry. Whatever it answers
// later leaves open what was done, database_query_failed too: the connection may have broken after the commit.
var verdicts = rest.Verdicts{
	"invalid_payload":   rest.Refused,
	"invalid_room_time": rest.Refused,
	roomClosed:          rest.Refused,
	// Of an event alone.
	"invalid_event":         rest.Refused,
	"payload_size_exceeded": rest.Refused,

	"authorization_failed":                   rest.NotDone,
	"database_connection_acquisition_failed": rest.NotDone,
	"room_not_found":                         rest.NotDone, // event reads from a replica, which may lag behind
}

// Client calls event.
type Client struct{ rest rest.Client }

// New returns a client of the event service at baseURL, which goes without /api/v1. token gives the bearer token of each
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

// CreateRoom makes a room and returns its id. Called twice it makes two. An error that is MaybeDone may have left a room
// which nobody can find.
func (c *Client) CreateRoom(ctx context.Context, n minigroup.NewEventRoom) (uuid.UUID, error) {
	var made room
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
		Reply: &made,
		Check: func() error {
			if made.ID == uuid.Nil {
				return errors.New("there is no room id in it")
			}
			return nil
		},
	})
	if err != nil {
		return uuid.Nil, err
	}
	return made.ID, nil
}

type lockedTypes struct {
	Message          bool `json:"message,omitempty"`
	Reaction         bool `json:"reaction,omitempty"`
	Question         bool `json:"question,omitempty"`
	QuestionReaction bool `json:"question_reaction,omitempty"`
}

// LockRoom locks types of events in the room; what was locked before stays so. Called twice it changes nothing.
// An error of Type room_not_found is not refused: a new room may not be visible yet.
func (c *Client) LockRoom(ctx context.Context, id uuid.UUID, locks minigroup.Locks) error {
	return c.change(ctx, "lock "+locks.String()+" in event room", id, http.MethodPost, "/locked_types", struct {
		LockedTypes lockedTypes `json:"locked_types"`
	}{lockedTypes{locks.Chat, locks.Chat, locks.Questions, locks.Questions}})
}

// CreateEvent makes an event in the room, as this service. Called twice it makes two. A room that is not open refuses: its
// error is of Type room_closed.
func (c *Client) CreateEvent(ctx context.Context, id uuid.UUID, event json.RawMessage) error {
	return c.createEvent(ctx, "create event", id, event)
}

// CreateWhiteboard makes a whiteboard with one empty page in the room. Made twice for one class it is the same one, as new.
func (c *Client) CreateWhiteboard(ctx context.Context, id, classID uuid.UUID) error {
	document := uuid.NewSHA1(classID, []byte("whiteboard")).String()
	pages := "document_page_" + document
	for _, event := range []newEvent{
		{Type: "document", Set: "document", Label: document, Data: whiteboard{
			Title: "whiteboard", Page: 1, Published: true, URL: "about:whiteboard",
		}},
		{Type: "document_page", Set: pages, Label: pages + "_1", Data: whiteboardPage{Page: 1}},
	} {
		if err := c.createEvent(ctx, "create whiteboard", id, event); err != nil {
			return err
		}
	}
	return nil
}

// newEvent replaces the event of the same Set and Label in the state of its room.
type newEvent struct {
	Type  string `json:"type"`
	Set   string `json:"set"`
	Label string `json:"label"`
	Data  any    `json:"data"`
}

type whiteboard struct {
	Title     string `json:"title"`
	Page      int    `json:"page"`
	Published bool   `json:"published"`
	URL       string `json:"url"`
}

type whiteboardPage struct {
	Page  int    `json:"page"`
	Title string `json:"title"`
}

func (c *Client) createEvent(ctx context.Context, doing string, id uuid.UUID, event any) error {
	var made struct {
		RoomID uuid.UUID `json:"room_id"`
	}
	return c.rest.Do(ctx, rest.Call{
		Doing:  doing,
		Method: http.MethodPost,
		Path:   rooms + "/" + id.String() + "/events",
		Body:   event,
		Reply:  &made,
		Check: func() error {
			if made.RoomID != id {
				return fmt.Errorf("it is about room %s", made.RoomID)
			}
			return nil
		},
	})
}

// CloseRoom closes the room, whether it has opened or not. A closed room is closed: no error.
// An error of Type room_not_found is not refused: a new room may not be visible yet.
func (c *Client) CloseRoom(ctx context.Context, id uuid.UUID) error {
	// Far enough in the past to be over by any clock. Event keeps the start of a room that has opened.
	err := c.change(ctx, "close event room", id, http.MethodPatch, "", struct {
		Time [2]int64 `json:"time"`
	}{[2]int64{0, 1}})
	if rest.ErrorType(err) == roomClosed {
		return nil
	}
	return err
}

func (c *Client) change(ctx context.Context, doing string, id uuid.UUID, method, path string, body any) error {
	var changed room
	return c.rest.Do(ctx, rest.Call{
		Doing:  doing,
		Method: method,
		Path:   rooms + "/" + id.String() + path,
		Body:   body,
		Reply:  &changed,
		Check: func() error {
			if changed.ID != id {
				return fmt.Errorf("it is about room %s", changed.ID)
			}
			return nil
		},
	})
}
