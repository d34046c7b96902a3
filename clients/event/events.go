package event

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"minigroups/clients/rest"
)

// CreateEvent creates an event in the room, with this service as its author. Called twice it creates two. If the room
// is closed or has not opened, it returns an error of Type room_closed, which is Refused.
func (c *Client) CreateEvent(ctx context.Context, id uuid.UUID, event json.RawMessage) error {
	return c.createEvent(ctx, "create event", id, event)
}

// CreateWhiteboard creates a whiteboard with one empty page in the room. Called twice for one class it resets the same
// whiteboard, because both events have the labels of the first call.
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

// newEvent is an event that replaces the earlier one with its Set and Label in the state of the room.
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
	var created struct {
		RoomID uuid.UUID `json:"room_id"`
	}
	return c.rest.Do(ctx, rest.Call{
		Doing:  doing,
		Method: http.MethodPost,
		Path:   rooms + "/" + id.String() + "/events",
		Body:   event,
		Reply:  &created,
		Check: func() error {
			if created.RoomID != id {
				return fmt.Errorf("it is about room %s", created.RoomID)
			}
			return nil
		},
	})
}
